"""Dense with gates on its neurons or on parts of its kernel."""

import keras

from keras_diffmask import granularity
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedDense(MaskedLayer, keras.layers.Dense):
    """`keras.layers.Dense` whose neurons (or parts) carry trainable gates.

        y = activation(x @ (kernel * mask) + bias * mask)     neurons
        y = activation(x @ (kernel * mask) + bias)            all others

    With an activation that is not 0 at 0 the neuron mask multiplies the
    output instead, so that a closed neuron gives exactly 0.

    Args:
        *args: positional arguments of `keras.layers.Dense`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: what one gate covers. `"channel"` (also `"neuron"`): a unit;
            `"input"`: all that reads one input; `"block:4x4"` (also `"block"`):
            so many inputs by so many units; `"weight"`: one kernel entry.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.Dense`.

    Call arguments:
        inputs: tensor.
        gate_mask: mask of shape `(units,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.
        input_gate_mask: mask of what is read, or None. What reads a closed input
            counts as 0, and so not for the scale of a quantizer.
        output_gate_mask: which units a mask behind the layer leaves open, or None.
            The others count for no scale that units share.

    Input shape:
        `(batch, ..., input_dim)`

    Output shape:
        `(batch, ..., units)`

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedDense(4, activation="relu")
    >>> layer(np.ones((2, 3), "float32")).shape == (2, 4)
    True

    Reference:
        Louizos et al., arXiv:1712.01312, section 4.1 (gates on neurons).
    """

    stock_class = keras.layers.Dense
    input_axis = -2
    read_axes = {"kernel": -2}
    is_told_of_outputs = True
    granularities = granularity.MATRIX
