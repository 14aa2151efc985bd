"""SimpleRNNCell with gates on its input neurons and on its hidden neurons."""

import keras

from keras_diffmask.layers.recurrent_cell import MaskedRecurrentCell


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedSimpleRNNCell(MaskedRecurrentCell, keras.layers.SimpleRNNCell):
    """`keras.layers.SimpleRNNCell` whose neurons carry trainable gates.

    With z the mask of the input neurons and s that of the hidden neurons, the
    cell computes with

        kernel * z[:, None] * s[None, :]
        recurrent_kernel * s[:, None] * s[None, :]
        bias * s

    so that h of a closed unit is exactly 0. Inside `keras.layers.RNN`
    the masks are drawn once per batch, not per time step. `MaskedSimpleRNN` has
    the same weights and is faster: it applies the masks before the scan.

    Args:
        *args: positional arguments of `keras.layers.SimpleRNNCell`.
        input_estimator: name or `Estimator` of the gate on the input neurons,
            or None for no such gate (the default).
        hidden_estimator: the same for the hidden neurons.
        gate_regularizer: penalty on both gates, or None.
        logit_scale: float > 0, how many times faster than a weight the logits
            of both gates learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.SimpleRNNCell`.

    Call arguments:
        inputs: tensor of one time step.
        states: the list [h].
        training: bool; True samples the gates.

    Input shape:
        `(batch, input_dim)`

    Output shape:
        `(batch, units)`, and the list of one state of that shape.

    Raises:
        InvalidArgumentError: unknown estimator, or an activation that is not
            0 at 0.

    Example:

    >>> import keras, numpy as np, keras_diffmask as kd
    >>> cell = kd.layers.MaskedSimpleRNNCell(4, input_estimator="hard_concrete")
    >>> keras.layers.RNN(cell)(np.ones((2, 5, 3), "float32")).shape == (2, 4)
    True

    Reference:
        Wen, Zhang, Bai and Xu, arXiv:1906.06847 (the two masks, for an LSTM;
        z and s as in `MaskedLSTMCell`).
    """

    stock_class = keras.layers.SimpleRNNCell
