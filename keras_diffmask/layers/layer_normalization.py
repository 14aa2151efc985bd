"""LayerNormalization with gates on its channels."""

from typing import Any

import keras

from keras_diffmask import granularity
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedLayerNormalization(MaskedLayer, keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` whose channels carry trainable gates.

        y = (x - mean) / sqrt(variance + epsilon) * (gamma * mask) + beta * mask

    Mean and variance are those of all channels, the closed ones included: a
    mask on gamma and beta leaves them alone, and so removes nothing in front
    of the layer. With `scale=False` there is no gamma and the mask multiplies
    the output.

    Args:
        *args: positional arguments of `keras.layers.LayerNormalization`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`.
        gate_regularizer: penalty on the gates, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        **kwargs: keyword arguments of `keras.layers.LayerNormalization`.

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
            nothing together; more than one axis, where it is not said which
            one the channels are.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedLayerNormalization()
    >>> layer(np.ones((2, 5, 3), "float32")).shape == (2, 5, 3)
    True

    Reference:
        Kang and Han, arXiv:2007.03938, section 3 (masks after normalization).
    """

    stock_class = keras.layers.LayerNormalization
    quantized = {}
    unit_axes = {"gamma": -1, "beta": -1}
    granularities = (granularity.CHANNEL,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(self._axes()) != 1:
            raise InvalidArgumentError(
                f"one axis to normalize for {self.name!r}, that of the channels",
                f"axis={self.axis}",
                "Pass one axis, or leave it keras.layers.LayerNormalization and "
                "put a ChannelMask behind it.",
            )

    def _axes(self) -> list[int]:
        # Keras makes an int a list when it builds.
        return [self.axis] if isinstance(self.axis, int) else self.axis

    def build(self, input_shape: Any) -> None:
        self._units = input_shape[self._axes()[0]]
        super().build(input_shape)

    def gated_units(self) -> int:
        return self._units

    @property
    def masks_output(self) -> bool:
        return self.gamma is None

    def output_unit_axis(self) -> int:
        return self._axes()[0]
