"""Fake quantization of weights: symmetric, on a scale of what they are now."""

from typing import Any

import keras
from keras import ops

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.quantizers import rounding
from keras_diffmask.quantizers.delayed import Delayed

#: Widths of integers that a .tflite file can store weights in.
BITS = (8, 4)


@keras.saving.register_keras_serializable("keras_diffmask")
class WeightQuantizer(Delayed):
    """Rounds weights to the integers that the device will hold.

        s = max|w| / (2^(bits - 1) - 1),   w_q = round(w / s) s

    with one scale s per output channel, per weight tensor, or per gate of a
    recurrent layer. Backward the identity (straight-through): nothing is
    clipped, for the scale follows the largest weight. The largest one lies on
    the grid exactly, so that a converter that scales by max|w| finds this grid
    again.

    A scale per channel makes the simulation exact under a BatchNormalization
    that is folded into the kernel later: what the normalization multiplies a
    channel by, it multiplies its scale by.

    Args:
        bits: 8 or 4.
        per_channel: whether every output channel has a scale of its own; False
            for one scale per tensor. Recurrent layers have one per gate, and
            tables of an embedding one in all, either way.
        delay: int >= 0, training steps before it acts.
        **kwargs: keyword arguments of `keras.layers.Layer`.

    Raises:
        InvalidArgumentError: an argument is outside of what is listed.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> quantizer = kd.quantizers.WeightQuantizer(bits=4, per_channel=False)
    >>> [float(x) for x in quantizer.rounded(np.array([0.7, 0.32, -0.08], "f"))]
    [0.7, 0.3, -0.1]

    Reference:
        Jacob et al., Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference, arXiv:1712.05877, section 3; the
        symmetric form is that of TFLite's specification of 8-bit kernels.
    """

    def __init__(
        self, bits: int = 8, per_channel: bool = True, delay: int = 0, **kwargs: Any
    ) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(delay=delay, **kwargs)
        if bits not in BITS or isinstance(bits, bool):
            raise InvalidArgumentError(
                f"bits of {self.name!r} to be 8 or 4", f"bits={bits!r}", "Pass one."
            )
        self.bits = int(bits)
        self.per_channel = bool(per_channel)
        self.build()

    def rounded(
        self,
        values: Any,
        axes: tuple[int, ...] = (),
        parts: int = 1,
        counted: Any = None,
    ) -> Any:
        """The values on the grid, in their own type.

        Args:
            values: a weight, or what a mask made of it.
            axes: its axes of output channels, which have scales of their own
                with `per_channel`.
            parts: how many tensors lie side by side along the last axis, each
                with a scale of its own: the gates of a recurrent layer.
            counted: the values with 0 for those that count for no scale; all
                count by default.
        """
        given = ops.convert_to_tensor(values)
        exact = ops.cast(given, "float32")
        counted = None if counted is None else ops.cast(counted, "float32")
        rounded = self.on_grid(exact, axes, parts, counted)
        return ops.cast(ops.where(self.is_on(), rounded, exact), given.dtype)

    def on_grid(
        self,
        exact: Any,
        axes: tuple[int, ...] = (),
        parts: int = 1,
        counted: Any = None,
    ) -> Any:
        """The same in float32, whether the quantizer is on or not."""
        if parts > 1:
            shape = tuple(exact.shape)
            apart = ops.reshape(exact, (*shape[:-1], parts, shape[-1] // parts))
            apart = rounding.on_symmetric_grid(apart, (-2,), self.bits)
            return ops.reshape(apart, shape)
        own = axes if self.per_channel else ()
        return rounding.on_symmetric_grid(exact, own, self.bits, counted)

    def step(self, values: Any, axes: tuple[int, ...]) -> Any:
        """What the integer 1 of the values stands for, as a vector.

        0 while the quantizer is off, and where all of the values are 0.

        Args:
            values: as for `rounded`.
            axes: as for `rounded`.
        """
        exact = ops.cast(ops.convert_to_tensor(values), "float32")
        step = rounding.step_of(exact, axes if self.per_channel else (), self.bits)
        return ops.where(self.is_on(), ops.reshape(step, (-1,)), 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "bits": self.bits,
            "per_channel": self.per_channel,
        }
