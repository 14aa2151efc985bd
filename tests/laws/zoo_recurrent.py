"""More of the zoo: recurrent layers of every kind, among layers of others."""

import keras
from keras import layers

from tests.laws.zoo import SEQUENCE, entry, skip_some_steps


@entry(SEQUENCE, folds=False)
def recurrent_kinds() -> keras.Model:
    """Convolution, GRU, cells, both directions and attention in one model."""
    inputs = keras.Input(SEQUENCE)
    x = layers.Conv1D(6, 2, padding="causal", activation="relu")(inputs)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True), name="apart")(x)
    y = layers.GRU(6, reset_after=False, go_backwards=True, return_sequences=True)(x)
    z = layers.RNN([layers.LSTMCell(5), layers.GRUCell(6)], return_sequences=True)(x)
    x = layers.Add()([y, z])
    x = layers.Add()([x, layers.MultiHeadAttention(2, 3, name="attention")(x, x)])
    x = layers.Bidirectional(layers.SimpleRNN(5), merge_mode="mul", name="both")(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@entry(SEQUENCE)
def skipped_steps() -> keras.Model:
    """States handed on, and steps that are skipped in every layer."""
    inputs = keras.Input(SEQUENCE)
    x, state = layers.GRU(6, return_sequences=True, return_state=True)(
        skip_some_steps(inputs)
    )
    x = layers.Bidirectional(layers.GRU(5, return_sequences=True))(x)
    x = layers.RNN([layers.SimpleRNNCell(7), layers.LSTMCell(6)])(x)
    return keras.Model(inputs, layers.Dense(3)(layers.Concatenate()([x, state])))
