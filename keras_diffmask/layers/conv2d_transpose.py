"""Conv2DTranspose with gates on its output channels or on its weights."""

import keras

from keras_diffmask import granularity
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedConv2DTranspose(MaskedLayer, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` whose filters (or weights) carry trainable gates.

        y = activation(conv_transpose(x, kernel * mask) + bias * mask)   channels
        y = activation(conv_transpose(x, kernel * mask) + bias)          weights

    As in `MaskedConv2D` the mask multiplies the kernel, not the feature map.

    Args:
        *args: positional arguments of `keras.layers.Conv2DTranspose`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`, one gate per filter, or `"weight"`, one per
            kernel entry.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        **kwargs: keyword arguments of `keras.layers.Conv2DTranspose`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(filters,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.

    Input shape:
        `(batch, height, width, channels)`

    Output shape:
        `(batch, new_height, new_width, filters)`

    Raises:
        InvalidArgumentError: unknown estimator or granularity.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedConv2DTranspose(4, 2, strides=2)
    >>> layer(np.ones((2, 8, 8, 3), "float32")).shape == (2, 16, 16, 4)
    True

    Reference:
        Louizos et al., arXiv:1712.01312, section 4.1 (gates on filters).
    """

    stock_class = keras.layers.Conv2DTranspose
    # Keras transposes this kernel: (..., filters, channels).
    unit_axes = {"kernel": -2, "bias": -1}
    input_axis = -1
    granularities = granularity.SPATIAL
