"""GroupNormalization with gates on its channels."""

from typing import Any

import keras

from keras_diffmask import granularity
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedGroupNormalization(MaskedLayer, keras.layers.GroupNormalization):
    """`keras.layers.GroupNormalization` whose channels carry trainable gates.

        y = (x - mean) / sqrt(variance + epsilon) * (gamma * mask) + beta * mask

    Mean and variance are those of a group's channels, the closed ones
    included. With `scale=False` there is no gamma and the mask multiplies the
    output.

    Args:
        *args: positional arguments of `keras.layers.GroupNormalization`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`.
        gate_regularizer: penalty on the gates, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        **kwargs: keyword arguments of `keras.layers.GroupNormalization`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(channels,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.

    Input shape:
        `(batch, ..., channels)` (the axis is `axis`)

    Output shape:
        Same as the input's.

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedGroupNormalization(groups=2)
    >>> layer(np.ones((2, 8, 8, 4), "float32")).shape == (2, 8, 8, 4)
    True

    Reference:
        Kang and Han, arXiv:2007.03938, section 3 (masks after normalization).
    """

    stock_class = keras.layers.GroupNormalization
    quantized = {}
    unit_axes = {"gamma": -1, "beta": -1}
    granularities = (granularity.CHANNEL,)

    def build(self, input_shape: Any) -> None:
        self._units = input_shape[self.axis]
        super().build(input_shape)

    def gated_units(self) -> int:
        return self._units

    @property
    def masks_output(self) -> bool:
        return not self.scale

    def output_unit_axis(self) -> int:
        return self.axis
