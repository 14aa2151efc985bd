"""FakeQuantize: activations on the device's integers, and the range they take."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.keras_internals import hand_on_mask
from keras_diffmask.quantizers import rounding
from keras_diffmask.quantizers.delayed import Delayed
from keras_diffmask.quantizers.quantization import RANGES
from keras_diffmask.quantizers.requantization import Multiples, requantized
from keras_diffmask.state import add_state

#: A range that is given, and not observed: that of softmax or tanh, say.
FIXED = "fixed"


@keras.saving.register_keras_serializable("keras_diffmask")
class FakeQuantize(Delayed):
    """Rounds a tensor to the integers it will have on the device.

        s = (high - low) / (2^bits - 1),   y = round(clip(x) / s) s

    with the range moved such that 0 is one of the integers (`rounding.nudged`).
    Backward the identity inside of the range, and 0 outside of it.

    In training the range follows the batches. Until it has seen one, or while
    its `delay` lasts, the layer hands on what it gets. In inference of a
    `quantize_model` or `mask_model` model it rounds as the device's kernel before
    it does, which differs by one integer now and then (`requantize`).

    Args:
        bits: 8, the width of the integers.
        ranges: `"moving"`: moving averages of the batches' smallest and largest
            value; `"learned"`: these times two trained factors exp(a), exp(b),
            which get the gradient of what is clipped; `"fixed"`: `low` and
            `high`, always.
        momentum: float in (0, 1), of the moving averages.
        delay: int >= 0, training steps before it acts; the range is observed
            all the same.
        low: float <= 0, with `"fixed"`.
        high: float >= 0, with `"fixed"`.
        stands_for: names of the model's outputs that come out here, in their
            order; see `QuantizedModel`.
        **kwargs: keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor.
        observe: bool; False for a tensor that takes the range of another one,
            observed in another call: what a concatenation joins has its range.
        training: bool; True observes.

    Input shape:
        Any.

    Output shape:
        Same as the input's.

    Raises:
        InvalidArgumentError: an argument is outside of what is listed.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.FakeQuantize()
    >>> x = np.array([[-1.0, 0.004, 1.55]], "float32")
    >>> [float(value) for value in layer(x, training=True)[0]]
    [-1.0, 0.0, 1.55]

    Reference:
        Jacob et al., arXiv:1712.05877, section 3.1 (moving ranges, a is `low`
        and b `high`); Choi et al., PACT, arXiv:1805.06085 (ranges that the loss
        trains; alpha is the upper one).
    """

    def __init__(
        self,
        bits: int = 8,
        ranges: str = "moving",
        momentum: float = 0.99,
        delay: int = 0,
        low: float | None = None,
        high: float | None = None,
        stands_for: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        # Ranges in float32 whatever the policy, and what comes in as it comes.
        super().__init__(delay=delay, **{**kwargs, "dtype": "float32"}, autocast=False)
        self.supports_masking = True
        self.bits, self.ranges, self.momentum = int(bits), ranges, float(momentum)
        self.fixed_low, self.fixed_high = low, high
        self.stands_for = tuple(stands_for)
        self._require_arguments_in_range()

    def _require_arguments_in_range(self) -> None:
        low, high, kinds = self.fixed_low, self.fixed_high, (*RANGES, FIXED)
        given = low is not None and high is not None and low <= 0.0 <= high
        for is_right, expected, received in (
            (self.bits == 8, "bits to be 8", f"bits={self.bits}"),
            (self.ranges in kinds, f"ranges in {kinds}", f"ranges={self.ranges!r}"),
            (
                0.0 < self.momentum < 1.0,
                "momentum between 0 and 1",
                f"momentum={self.momentum}",
            ),
            (
                given if self.ranges == FIXED else low is None and high is None,
                "low <= 0 <= high with ranges='fixed', and neither otherwise",
                f"low={low}, high={high}, ranges={self.ranges!r}",
            ),
        ):
            if not is_right:
                raise InvalidArgumentError(
                    f"{expected} for {self.name!r}", received, "Pass another value."
                )

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        is_fixed = self.ranges == FIXED
        self.low = add_state(self, "low", (), self.fixed_low or 0.0)
        self.high = add_state(self, "high", (), self.fixed_high or 0.0)
        self.seen = add_state(self, "seen", (), float(is_fixed))
        self.factors = None
        if self.ranges == "learned":
            # Trained factors of the observed range, and not the range itself: the
            # JAX trainer takes no value for a trained variable from a call.
            self.factors = self.add_weight(
                name="factors", shape=(2,), initializer="zeros", dtype="float32"
            )

    def call(
        self, inputs: Any, observe: bool = True, training: bool | None = None
    ) -> Any:
        exact = ops.cast(inputs, "float32")
        if training and observe and self.ranges != FIXED:
            self._observe(ops.stop_gradient(exact))
        acts, (low, high) = self._acts(), self.limits()
        rounded = rounding.on_asymmetric_grid(exact, low, high, self.bits, acts)
        rounded = self._with_push(rounded, exact, acts)
        if training and observe:
            self.count_down()
        return ops.cast(rounded, inputs.dtype)

    def _with_push(self, rounded: Any, exact: Any, acts: Any) -> Any:
        """The same numbers, with a gradient for learned limits."""
        if self.factors is None:
            return rounded
        push = rounding.push_on_limits(exact, *self.limits(), self.bits)
        return rounded + ops.where(acts, push, 0.0)

    def requantize(self, inputs: Any, source: Multiples) -> Any:
        """`call` in inference, as the device's kernel rounds what it computed.

        Args:
            inputs: tensor.
            source: what its numbers are multiples of.
        """
        exact, acts = ops.cast(inputs, "float32"), self._acts()
        rounded = requantized(exact, source, *self.limits(), self.bits)
        rounded = self._with_push(ops.where(acts, rounded, exact), exact, acts)
        outputs = ops.cast(rounded, inputs.dtype)
        hand_on_mask(inputs, outputs)
        return outputs

    def step(self) -> Any:
        """The scale of the integers, as a scalar tensor; 0 while it does not act."""
        scale = rounding.nudged(*self.limits(), self.bits)[2]
        return ops.where(self._acts(), scale, 0.0)

    def _acts(self) -> Any:
        return ops.logical_and(self.is_on(), self.seen > 0.5)

    def limits(self) -> tuple[Any, Any]:
        """(low, high) as they stand now."""
        low, high = ops.convert_to_tensor(self.low), ops.convert_to_tensor(self.high)
        if self.factors is None:
            return low, high
        factors = ops.exp(self.factors)
        return low * factors[0], high * factors[1]

    def _observe(self, exact: Any) -> None:
        # Both sides of 0, which padding needs to be one of the integers.
        low, high = ops.minimum(ops.min(exact), 0.0), ops.maximum(ops.max(exact), 0.0)
        kept = ops.where(self.seen > 0.5, self.momentum, 0.0)
        self.low.assign(kept * self.low + (1.0 - kept) * low)
        self.high.assign(kept * self.high + (1.0 - kept) * high)
        self.seen.assign(ops.ones(()))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "bits": self.bits,
            "ranges": self.ranges,
            "momentum": self.momentum,
            "low": self.fixed_low,
            "high": self.fixed_high,
            "stands_for": list(self.stands_for),
        }
