"""Conv1D with gates on its output channels or on its weights."""

import keras

from keras_diffmask import granularity
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedConv1D(MaskedLayer, keras.layers.Conv1D):
    """`keras.layers.Conv1D` whose filters (or weights) carry trainable gates.

        y = activation(conv(x, kernel * mask) + bias * mask)     channels
        y = activation(conv(x, kernel * mask) + bias)            weights

    As in `MaskedConv2D` the mask multiplies the kernel, not the feature map.

    Args:
        *args: positional arguments of `keras.layers.Conv1D`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`, one gate per filter, or `"weight"`, one per
            kernel entry.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        **kwargs: keyword arguments of `keras.layers.Conv1D`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(filters,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.

    Input shape:
        `(batch, steps, channels)`

    Output shape:
        `(batch, new_steps, filters)`

    Raises:
        InvalidArgumentError: unknown estimator or granularity.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedConv1D(4, 3, padding="same")
    >>> layer(np.ones((2, 8, 3), "float32")).shape == (2, 8, 4)
    True

    Reference:
        Louizos et al., arXiv:1712.01312, section 4.1 (gates on filters).
    """

    stock_class = keras.layers.Conv1D
    input_axis = -2
    granularities = granularity.SPATIAL
