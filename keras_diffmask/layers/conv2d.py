"""Conv2D with gates on its output channels or on parts of its kernel."""

import keras

from keras_diffmask import granularity
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedConv2D(MaskedLayer, keras.layers.Conv2D):
    """`keras.layers.Conv2D` whose filters (or parts) carry trainable gates.

        y = activation(conv(x, kernel * mask) + bias * mask)     channels
        y = activation(conv(x, kernel * mask) + bias)            all others

    The mask multiplies the kernel, not the feature map: the same function at
    a fraction of the cost. With an activation that is not 0 at 0 it has to
    multiply the output. Before a BatchNormalization, put the gate on the
    normalization (`MaskedBatchNormalization`) as well, or instead: its beta
    turns the closed channel's 0 into a constant. The strip copes with both.

    Args:
        *args: positional arguments of `keras.layers.Conv2D`.
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
        **kwargs: keyword arguments of `keras.layers.Conv2D`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(filters,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.
        input_gate_mask: mask of what is read, or None. What reads a closed input
            counts as 0, and so not for the scale of a quantizer.

    Input shape:
        `(batch, height, width, channels)`

    Output shape:
        `(batch, new_height, new_width, filters)`

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together; granularity `"input"` with `groups` above 1.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedConv2D(4, 3, padding="same")
    >>> layer(np.ones((2, 8, 8, 3), "float32")).shape == (2, 8, 8, 4)
    True

    Reference:
        Louizos et al., arXiv:1712.01312, section 4.1 (gates on filters).
    """

    stock_class = keras.layers.Conv2D
    input_axis = -2
    read_axes = {"kernel": -2}
    granularities = granularity.SPATIAL
