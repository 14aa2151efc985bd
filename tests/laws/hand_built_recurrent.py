"""More models built by hand: masked recurrent layers and cells in Keras' wrappers."""

from typing import Any

import keras
from keras import layers

from keras_diffmask import layers as masked
from tests.laws.hand_built import OPEN, close, hand_built, last
from tests.laws.zoo import SEQUENCE, skip_some_steps

_BOTH: dict[str, Any] = {"input_estimator": "hard_concrete", "return_sequences": True}


@hand_built(
    SEQUENCE,
    {
        "forward_wide": 4,
        "backward_wide": 6,
        "dense": 5,
        "narrow": 5,
        "lstm": 4,
        "gru": 5,
    },
)
def wrapped_recurrent() -> keras.Model:
    """Each wrapper once; the directions of a concatenation part, those of a sum not."""
    inputs = keras.Input(SEQUENCE)
    inner = masked.MaskedLSTM(7, name="of", **_BOTH)
    wide = layers.Bidirectional(inner, name="wide")(inputs)
    inner = masked.MaskedDense(8, activation="sigmoid", name="steps")
    x = layers.TimeDistributed(inner, name="dense")(wide)
    there, back = (
        layers.RNN(
            masked.MaskedGRUCell(6, reset_after=False, name=name),
            return_sequences=True,
            go_backwards=name == "back",
        )
        for name in ("there", "back")
    )
    x = layers.Bidirectional(there, "sum", backward_layer=back, name="narrow")(x)
    cells = [masked.MaskedLSTMCell(6, name="lstm"), masked.MaskedGRUCell(7, name="gru")]
    x = layers.RNN(cells, name="stack")(x)
    x = layers.Concatenate()([x, layers.GlobalMaxPooling1D()(wide)])
    return close(
        keras.Model(inputs, last(x)),
        ("forward_of_input_gate", 1),
        ("forward_of_hidden_gate", 3),
        ("backward_of_hidden_gate", 1),
        ("steps_gate", 3),
        # Of a sum, a unit goes that both directions have closed.
        ("there_hidden_gate", 1),
        ("back_hidden_gate", 2),
        ("lstm_hidden_gate", 2),
        ("gru_hidden_gate", 2),
    )


@hand_built(SEQUENCE, {"gru": 5, "rnn": 4, "pairs": 5}, {"pairs": (2, OPEN)})
def masked_steps() -> keras.Model:
    """With steps skipped, and states asked for, the units of two go in pairs."""
    inputs = keras.Input(SEQUENCE)
    x = skip_some_steps(inputs)
    x, state = masked.MaskedGRU(7, return_state=True, name="gru", **_BOTH)(x)
    inner = masked.MaskedGRU(6, return_sequences=True, name="of")
    x = layers.Bidirectional(inner, name="pairs")(x)
    x = masked.MaskedSimpleRNN(6, name="rnn")(x)
    model = keras.Model(inputs, last(layers.Concatenate()([x, state])))
    return close(
        model,
        ("gru_hidden_gate", 2),
        ("gru_input_gate", 1),
        ("forward_of_hidden_gate", 1),
        ("backward_of_hidden_gate", 3),
        ("rnn_hidden_gate", 2),
    )


def _state(x: Any, units: int, name: str) -> Any:
    x = layers.GlobalAveragePooling1D()(x)
    return layers.Dense(units, "tanh", name=name)(x)


@hand_built(SEQUENCE, {"lstm": 5, "h": 5, "c": 5, "gru": 4, "rnn": 4, "s": 4, "t": 4})
def given_states() -> keras.Model:
    """The masks are on the states too, before anything is cut of what makes them."""
    inputs = keras.Input(SEQUENCE)
    h, c = _state(inputs, 7, "h"), _state(inputs, 7, "c")
    s, t = _state(inputs, 6, "s"), _state(inputs, 6, "t")
    x = masked.MaskedLSTM(7, name="lstm", **_BOTH)(inputs, [h, c])
    x = masked.MaskedGRU(6, name="gru", **_BOTH)(x, initial_state=s)
    cell = masked.MaskedGRUCell(6, name="cell")
    x = layers.RNN(cell, name="rnn")(x, initial_state=[t])
    return close(
        keras.Model(inputs, last(x)),
        ("lstm_hidden_gate", 2),
        ("gru_hidden_gate", 2),
        ("cell_hidden_gate", 2),
    )


@hand_built(
    SEQUENCE,
    {"encoder": 6, "decoder": 6, "pairs": 5},
    {"encoder": (2, OPEN)},
    rescales=True,
)
def states_that_others_need() -> keras.Model:
    """An encoder without gates, a wrapper that cannot be cut: the states are masked."""
    inputs = keras.Input(SEQUENCE)
    _, h, c = layers.LSTM(6, return_state=True, name="encoder")(inputs)
    x = masked.MaskedLSTM(6, return_sequences=True, name="decoder")(
        inputs, initial_state=[h, c]
    )
    s, t = _state(inputs, 5, "s"), _state(inputs, 5, "t")
    inner = masked.MaskedGRU(5, return_sequences=True, name="of")
    x = layers.Dense(5, name="between")(x)
    x = layers.Bidirectional(inner, name="pairs")(x, initial_state=[s, t])
    cells = [masked.MaskedGRUCell(4, name="one"), layers.GRUCell(5, name="two")]
    x = layers.RNN(cells, name="stack")(
        x, initial_state=[_state(inputs, 4, "u"), _state(inputs, 5, "v")]
    )
    return close(
        keras.Model(inputs, last(x)),
        ("decoder_hidden_gate", 2),
        ("forward_of_hidden_gate", 1),
        ("backward_of_hidden_gate", 2),
        ("one_hidden_gate", 2),
    )


@hand_built(SEQUENCE, {"lstm": 5, "gru": 4})
def constant_states() -> keras.Model:
    """What is no tensor of the graph is masked and cut as well."""
    inputs = keras.Input(SEQUENCE)
    ones, some = keras.ops.ones((1, 7)), keras.ops.zeros((1, 7)) + 0.5
    x = masked.MaskedLSTM(7, return_sequences=True, name="lstm")(inputs, [ones, some])
    x = masked.MaskedGRU(6, name="gru")(x, initial_state=2 * keras.ops.ones((1, 6)))
    model = keras.Model(inputs, last(x))
    return close(model, ("lstm_hidden_gate", 2), ("gru_hidden_gate", 2))
