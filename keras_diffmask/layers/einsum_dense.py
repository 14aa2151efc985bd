"""EinsumDense with gates on its units or on its weights."""

import re
from typing import Any

import keras

from keras_diffmask import einsum, granularity
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedEinsumDense(MaskedLayer, keras.layers.EinsumDense):
    """`keras.layers.EinsumDense` whose units (or weights) carry trainable gates.

        y = activation(einsum(x, kernel * mask) + bias * mask)     units
        y = activation(einsum(x, kernel * mask) + bias)            weights

    The units are those of the last output axis that the kernel writes and the
    input lacks: d in `"abc,cd->abd"` and in `"abc,ced->abed"`. Where the bias
    does not vary along them (`bias_axes="e"`), the mask multiplies the output.

    Args:
        *args: positional arguments of `keras.layers.EinsumDense`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"` (also `"neuron"`), one gate per unit, or
            `"weight"`, one per kernel entry.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.EinsumDense`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(units,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.
        input_gate_mask: mask of what is read along the last axis, or None. What
            reads a closed input counts as 0, and so not for the scale of a quantizer.
        output_gate_mask: which units a mask behind the layer leaves open, or None.
            The others do not count for the scale of a quantizer either.

    Input shape:
        As the equation says, the batch included.

    Output shape:
        As the equation says.

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together; an equation whose kernel writes no axis, for
            granularity `"channel"`.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedEinsumDense("...x,xy->...y", 4, bias_axes="y")
    >>> layer(np.ones((2, 5, 3), "float32")).shape == (2, 5, 4)
    True

    Reference:
        Louizos et al., arXiv:1712.01312, section 4.1 (gates on neurons).
    """

    stock_class = keras.layers.EinsumDense
    # A product of two tensors on the device, which has one scale for each.
    quantized = {"kernel": ()}
    read_axes = {"kernel": 0}
    is_told_of_outputs = True

    def build(self, input_shape: Any) -> None:
        # First: masked or not, Keras has better words for a wrong equation.
        keras.layers.EinsumDense.build(self, input_shape)
        axes = einsum.parse(self.equation, len(input_shape))
        read = dict(axes.contracted).get(len(input_shape) - 1)
        self.read_axes = {} if read is None else {"kernel": read}
        if self.granularity == granularity.CHANNEL:
            self._find_units(axes)
        self.build_gate()

    def _find_units(self, axes: einsum.EinsumAxes) -> None:
        if not axes.written:
            # Without a gate it is Keras' own layer, which may have a quantizer.
            self.unit_axes = {}
            if self.estimator is not None:
                raise self._no_units()
            return
        output_axis, kernel_axis = axes.written[-1]
        # From the end: that is how the bias lies along the output.
        self._unit_axis = output_axis - axes.output_rank
        self.unit_axes = {"kernel": kernel_axis}
        if self._bias_has_units():
            self.unit_axes["bias"] = self._unit_axis

    def _no_units(self) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"an equation for {self.name!r} with an axis that only kernel and "
            "output have, for a gate per unit",
            f"equation={self.equation!r}",
            'Pass granularity="weight", or put a ChannelMask behind the layer.',
        )

    def masked_weights(self, mask: Any) -> list[tuple[Any, Any]]:
        if not self.unit_axes:
            raise self._no_units()
        return super().masked_weights(mask)

    def _mask_unit_axes(self) -> tuple[int, ...]:
        """The kernel's axes that the output has too: what is left is summed over."""
        if self.granularity == granularity.CHANNEL:
            return super()._mask_unit_axes()
        _, kernel, outputs = re.split(",|->", self.equation)
        return tuple(axis for axis, label in enumerate(kernel) if label in outputs)

    def _bias_has_units(self) -> bool:
        shape = () if self.bias is None else self.bias.shape
        units = self.gated_units()
        return -self._unit_axis <= len(shape) and shape[self._unit_axis] == units

    @property
    def masks_output(self) -> bool:
        constant = self.bias is not None and "bias" not in self.unit_axes
        return self.masks_units and (constant or not self._zero_at_zero)

    def output_unit_axis(self) -> int:
        return self._unit_axis
