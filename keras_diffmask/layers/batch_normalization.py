"""BatchNormalization with gates on its channels."""

from typing import Any

import keras

from keras_diffmask import granularity
from keras_diffmask.keras_internals import mask_of
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedBatchNormalization(MaskedLayer, keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` whose channels carry trainable gates.

        y = (x - mean) / sqrt(variance + epsilon) * (gamma * mask) + beta * mask

    Here a closed channel is exactly 0, whatever the statistics, and a mask
    costs two vector products. With `scale=False` there is no gamma and the
    mask multiplies the output.

    Args:
        *args: positional arguments of `keras.layers.BatchNormalization`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`.
        gate_regularizer: penalty on the gates, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        **kwargs: keyword arguments of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(channels,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate and uses batch statistics.
        mask: boolean tensor of the samples that count, as in Keras.

    Input shape:
        `(batch, ..., channels)` (the axis is `axis`)

    Output shape:
        Same as the input's.

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedBatchNormalization()
    >>> layer(np.ones((2, 8, 8, 3), "float32")).shape == (2, 8, 8, 3)
    True

    Reference:
        Kang and Han, arXiv:2007.03938, section 3 (masks after normalization).
    """

    stock_class = keras.layers.BatchNormalization
    quantized = {}
    unit_axes = {"gamma": -1, "beta": -1}
    granularities = (granularity.CHANNEL,)

    def gated_units(self) -> int:
        return self.moving_mean.shape[0]

    @property
    def masks_output(self) -> bool:
        return not self.scale

    def output_unit_axis(self) -> int:
        return self.axis

    def call(  # type: ignore[override]
        self,
        inputs: Any,
        gate_mask: Any = None,
        training: bool | None = None,
        mask: Any = None,
    ) -> Any:
        if mask is None:
            mask = mask_of(inputs)
        return self.call_masked(
            inputs, gate_mask, training, training=training, mask=mask
        )
