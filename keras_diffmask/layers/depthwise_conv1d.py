"""DepthwiseConv1D with gates on its output channels or on its weights."""

import keras

from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedDepthwiseConv1D(MaskedLayer, keras.layers.DepthwiseConv1D):
    """`keras.layers.DepthwiseConv1D` whose channels or weights carry trainable gates.

        y = activation(depthwise_conv(x, kernel * mask) + bias * mask)   channels
        y = activation(depthwise_conv(x, kernel * mask) + bias)          weights

    The mask has one entry per *output* channel, in the output's order: of
    channel c and multiple m it is entry `c * depth_multiplier + m`, and it
    multiplies `kernel[..., c, m]`. What the closed channel reads stays: a gate
    shared with the layer before removes both.

    Args:
        *args: positional arguments of `keras.layers.DepthwiseConv1D`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`, one gate per output channel, or `"weight"`,
            one per kernel entry.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.DepthwiseConv1D`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(channels * depth_multiplier,)` from a shared
            `Gate`, or None.
        training: bool; True samples the own gate.

    Input shape:
        `(batch, steps, channels)`

    Output shape:
        `(batch, new_steps, channels * depth_multiplier)`

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedDepthwiseConv1D(3, padding="same", depth_multiplier=2)
    >>> layer(np.ones((2, 8, 3), "float32")).shape == (2, 8, 6)
    True

    Reference:
        Louizos et al., arXiv:1712.01312, section 4.1 (gates on filters).
    """

    stock_class = keras.layers.DepthwiseConv1D
    # Channel c and multiple m make output channel c * depth_multiplier + m.
    unit_axes = {"kernel": (-2, -1), "bias": -1}
    quantized = {"kernel": (-2, -1)}
