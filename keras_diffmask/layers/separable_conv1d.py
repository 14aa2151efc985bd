"""SeparableConv1D with gates on its output channels or on its weights."""

import keras

from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedSeparableConv1D(MaskedLayer, keras.layers.SeparableConv1D):
    """`keras.layers.SeparableConv1D` whose filters (or weights) carry trainable gates.

        z = depthwise_conv(x, depthwise_kernel)
        y = activation(conv(z, pointwise_kernel * mask) + bias * mask)   channels
        y = activation(conv(z, pointwise_kernel * mask) + bias)          weights

    The depthwise kernel stays as it is: it belongs to the input's channels,
    and every filter reads all of it.

    Args:
        *args: positional arguments of `keras.layers.SeparableConv1D`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`, one gate per filter, or `"weight"`, one per
            pointwise kernel entry.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.SeparableConv1D`.

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
    >>> layer = kd.layers.MaskedSeparableConv1D(4, 3, padding="same")
    >>> layer(np.ones((2, 8, 3), "float32")).shape == (2, 8, 4)
    True

    Reference:
        Louizos et al., arXiv:1712.01312, section 4.1 (gates on filters).
        Zhu and Gupta, arXiv:1710.01878 (leave the depthwise kernels dense, as
        they hold about 1 % of a MobileNet's parameters).
    """

    stock_class = keras.layers.SeparableConv1D
    unit_axes = {"pointwise_kernel": -1, "bias": -1}
    quantized = {"depthwise_kernel": (-2, -1), "pointwise_kernel": (-1,)}
    read_axes = {"pointwise_kernel": -2}
