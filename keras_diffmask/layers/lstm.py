"""LSTM with gates on its input neurons and on its hidden neurons."""

import keras

from keras_diffmask.layers.recurrent_layer import MaskedRecurrentLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedLSTM(MaskedRecurrentLayer, keras.layers.LSTM):
    """`keras.layers.LSTM` whose neurons carry trainable gates.

    The function is that of `keras.layers.RNN(MaskedLSTMCell(...))`. The masks
    are drawn once per batch and multiplied into the weights before the scan,
    so the backend's fused path stays and a step costs what Keras' does.

    Args:
        *args: positional arguments of `keras.layers.LSTM`.
        input_estimator: name or `Estimator` of the gate on the input neurons,
            or None for no such gate (the default).
        hidden_estimator: the same for the hidden neurons; None for a layer
            that takes its mask as the call argument `gate_mask`.
        gate_regularizer: penalty on both gates, or None.
        logit_scale: float > 0, how many times faster than a weight the logits
            of both gates learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.LSTM`.

    Call arguments:
        sequences: tensor.
        initial_state: list [h, c]; its closed units are set to 0.
        mask: boolean tensor `(batch, steps)`, as in Keras.
        training: bool; True samples the gates.
        gate_mask: mask of shape `(units,)` for the hidden neurons from a
            shared `Gate`, or None.
        input_gate_mask: mask of shape `(input_dim,)`, or None.

    Input shape:
        `(batch, steps, input_dim)`

    Output shape:
        `(batch, units)`, or `(batch, steps, units)` with `return_sequences`.

    Raises:
        InvalidArgumentError: unknown estimator, or a mask on the hidden neurons
            with an activation that is not 0 at 0.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedLSTM(4, return_sequences=True)
    >>> layer(np.ones((2, 5, 3), "float32")).shape == (2, 5, 4)
    True

    Reference:
        Wen, Zhang, Bai and Xu, arXiv:1906.06847, as in `MaskedLSTMCell`.
    """

    stock_class = keras.layers.LSTM
