"""GRUCell with gates on its input neurons and on its hidden neurons."""

import keras

from keras_diffmask.layers.recurrent_cell import MaskedRecurrentCell


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedGRUCell(MaskedRecurrentCell, keras.layers.GRUCell):
    """`keras.layers.GRUCell` whose neurons carry trainable gates.

    With z the mask of the input neurons, s that of the hidden neurons, and
    S = s repeated for the gates z, r, h, the cell computes with

        kernel * z[:, None] * S[None, :]
        recurrent_kernel * s[:, None] * S[None, :]
        bias * S        (both rows of it with `reset_after`)

    so that the candidate of a closed unit is 0 and its h, a mean of that and
    of the h before, stays exactly 0: a state it is given is set to 0 first.
    Inside `keras.layers.RNN` the masks are drawn once per batch, not per time
    step. `MaskedGRU` has the same weights and is faster: it applies the masks
    before the scan.

    Args:
        *args: positional arguments of `keras.layers.GRUCell`.
        input_estimator: name or `Estimator` of the gate on the input neurons,
            or None for no such gate (the default).
        hidden_estimator: the same for the hidden neurons.
        gate_regularizer: penalty on both gates, or None.
        logit_scale: float > 0, how many times faster than a weight the logits
            of both gates learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.GRUCell`.

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
    >>> cell = kd.layers.MaskedGRUCell(4, input_estimator="hard_concrete")
    >>> keras.layers.RNN(cell)(np.ones((2, 5, 3), "float32")).shape == (2, 4)
    True

    Reference:
        Cho et al., arXiv:1406.1078 (the unit; Keras' z is one minus its z).
        Wen, Zhang, Bai and Xu, arXiv:1906.06847 (the two masks, for an LSTM;
        z and s as in `MaskedLSTMCell`).
    """

    stock_class = keras.layers.GRUCell
