"""Conv1DTranspose with gates on its output channels or on parts of its kernel."""

import keras

from keras_diffmask import granularity
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedConv1DTranspose(MaskedLayer, keras.layers.Conv1DTranspose):
    """`keras.layers.Conv1DTranspose` whose filters (or parts) carry trainable gates.

        y = activation(conv_transpose(x, kernel * mask) + bias * mask)   channels
        y = activation(conv_transpose(x, kernel * mask) + bias)          all others

    As in `MaskedConv2D` the mask multiplies the kernel, not the feature map.

    Args:
        *args: positional arguments of `keras.layers.Conv1DTranspose`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: what one gate covers. `"channel"`: a filter; `"input"`: all
            that reads one input channel; `"block:4x4"` (also `"block"`): so
            many inputs by so many filters, at all positions; `"kernel"`: the
            slice between one input channel and one filter; `"weight"`: one
            kernel entry.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.Conv1DTranspose`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(filters,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.
        input_gate_mask: mask of what is read, or None. What reads a closed input
            counts as 0, and so not for the scale of a quantizer.

    Input shape:
        `(batch, steps, channels)`

    Output shape:
        `(batch, new_steps, filters)`

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedConv1DTranspose(4, 2, strides=2)
    >>> layer(np.ones((2, 8, 3), "float32")).shape == (2, 16, 4)
    True

    Reference:
        Louizos et al., arXiv:1712.01312, section 4.1 (gates on filters).
    """

    stock_class = keras.layers.Conv1DTranspose
    # Keras transposes this kernel: (..., filters, channels).
    unit_axes = {"kernel": -2, "bias": -1}
    input_axis = -1
    quantized = {"kernel": (-2,)}
    read_axes = {"kernel": -1}
    granularities = granularity.SPATIAL
