"""LSTM with gates on its input neurons and on its hidden neurons."""

from typing import Any

import keras
from keras import ops

from keras_diffmask.keras_internals import mask_of
from keras_diffmask.layers.recurrent_masks import (
    RecurrentGates,
    mask_states,
    masked_lstm_weights,
)
from keras_diffmask.layers.substitution import call_with


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedLSTM(RecurrentGates, keras.layers.LSTM):
    """`keras.layers.LSTM` whose neurons carry trainable gates.

    The function is that of `keras.layers.RNN(MaskedLSTMCell(...))`. The masks
    are drawn once per batch and multiplied into the weights before the scan,
    so the backend's fused path stays and a step costs what Keras' does.

    Args:
        *args: positional arguments of `keras.layers.LSTM`.
        input_estimator: name or `Estimator` of the gate on the input neurons,
            or None for no such gate (the default).
        hidden_estimator: the same for the hidden neurons; None for a layer
            that takes its mask as the call argument `hidden_gate_mask`.
        gate_regularizer: penalty on both gates, or None.
        logit_scale: float > 0, how many times faster than a weight the logits
            of both gates learn.
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
        InvalidArgumentError: unknown estimator.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedLSTM(4, return_sequences=True)
    >>> layer(np.ones((2, 5, 3), "float32")).shape == (2, 5, 4)
    True

    Reference:
        Wen, Zhang, Bai and Xu, arXiv:1906.06847, as in `MaskedLSTMCell`.
    """

    stock_class = keras.layers.LSTM

    def build(self, sequences_shape: Any, *args: Any, **kwargs: Any) -> None:
        super().build(sequences_shape)
        self.build_gates(sequences_shape[-1], self.units)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        gate_mask: Any = None,
        input_gate_mask: Any = None,
    ) -> Any:
        own = self.own_masks(training)
        input_mask = own[0] if input_gate_mask is None else input_gate_mask
        hidden_mask = own[1] if gate_mask is None else gate_mask
        if initial_state is None:
            # With tensors of its own as states Keras finds no mask either.
            mask = mask_of(sequences) if mask is None else mask
            initial_state = self._first_states(ops.shape(sequences)[0])
        return call_with(
            self,
            masked_lstm_weights(self.cell, input_mask, hidden_mask),
            super().call,
            sequences,
            initial_state=mask_states(initial_state, hidden_mask),
            mask=mask,
            training=training,
        )

    def _first_states(self, batch_size: Any) -> Any:
        if self.stateful:
            return [ops.convert_to_tensor(state) for state in self.states]
        return self.get_initial_state(batch_size)
