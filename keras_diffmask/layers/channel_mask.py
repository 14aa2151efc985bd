"""A mask on a feature map, for where no weight can carry it."""

from typing import Any

import keras

from keras_diffmask import granularity
from keras_diffmask.layers.masked import MaskedLayer


class _Same(keras.layers.Layer):
    """The Keras parent: `Layer` itself has no `call` to be masked."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True  # time steps are none of its channels

    def call(self, inputs: Any) -> Any:
        return inputs


@keras.saving.register_keras_serializable("keras_diffmask")
class ChannelMask(MaskedLayer, _Same):
    """Multiplies the channels of a feature map by a mask.

        y = x * mask

    Masks on weights are cheaper (a mask on the feature map costs about 14 %
    of a training step, one on the weights about 1 %) and `mask_model` prefers
    them. It takes this layer after an activation that is not 0 at 0, such as
    a separate `Activation("sigmoid")`.

    Args:
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`.
        gate_regularizer: penalty on the gates, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        **kwargs: keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(channels,)` from a shared `Gate`, or one that
            broadcasts against the input where channels lie elsewhere, or None.
        training: bool; True samples the own gate.

    Input shape:
        `(batch, ..., channels)`

    Output shape:
        Same as the input's.

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> y = kd.layers.ChannelMask()(np.ones((2, 8, 8, 3), "float32"))
    >>> y.shape == (2, 8, 8, 3)
    True

    Reference:
        Kang and Han, arXiv:2007.03938, section 3 (masks on feature maps).
    """

    stock_class = keras.layers.Layer
    quantized = {}
    unit_axes = {}
    granularities = (granularity.CHANNEL,)
    masks_output = True

    def build(self, input_shape: Any) -> None:
        self._units = input_shape[-1]
        super().build(input_shape)

    def gated_units(self) -> int:
        return self._units

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
