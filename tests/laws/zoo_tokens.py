"""More of the zoo: models that read tokens."""

from typing import Any

import keras
from keras import layers, ops

from tests.laws.zoo import entry


def _tokens(numbers: Any) -> Any:
    """Tokens are what the first layers make of numbers, so that inputs vary."""
    return ops.cast(ops.clip(3.0 * numbers + 8.0, 0, 15), "int32")


def _wide() -> Any:
    return keras.initializers.RandomNormal(stddev=1.0)


@entry((6,))
def embedded() -> keras.Model:
    inputs = keras.Input((6,))
    x = layers.Embedding(16, 8, name="embedding", embeddings_initializer=_wide())(
        _tokens(inputs)
    )
    x = layers.Conv1D(7, 3, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


@entry((6,))
def masked_tokens() -> keras.Model:
    """What is padding goes on being padding, whatever the width."""
    inputs = keras.Input((6,))
    x = layers.Embedding(16, 9, mask_zero=True, embeddings_initializer=_wide())(
        _tokens(inputs)
    )
    x = layers.LSTM(7, return_sequences=True)(x)
    return keras.Model(inputs, layers.Dense(3)(layers.LSTM(6)(x)))


@entry((6,))
def tied_softmax() -> keras.Model:
    """The table's columns are also what the last LSTM has for units."""
    inputs = keras.Input((6,))
    table = layers.ReversibleEmbedding(
        16, 8, name="table", embeddings_initializer=_wide()
    )
    x = layers.LSTM(7, return_sequences=True)(table(_tokens(inputs)))
    x = layers.LSTM(8, return_sequences=True)(x)
    return keras.Model(inputs, layers.Softmax()(table(x, reverse=True)))


@entry((6,), folds=False)
def frozen_softmax() -> keras.Model:
    """An operator ties the table: Keras keeps its value, and trains the table alone."""
    inputs = keras.Input((6,))
    table = layers.Embedding(16, 8, embeddings_initializer=_wide())
    x = layers.LSTM(8, return_sequences=True)(table(_tokens(inputs)))
    x = ops.matmul(x, ops.transpose(table.embeddings))
    x = layers.Dense(3)(layers.GlobalMaxPooling1D()(x))
    return keras.Model(inputs, x)


@entry((8,))
def untied_softmax() -> keras.Model:
    """As many steps as columns, which is no reason to tie the two."""
    inputs = keras.Input((8,))
    table = layers.ReversibleEmbedding(
        16,
        8,
        tie_weights=False,
        logit_soft_cap=3.0,
        mask_zero=True,
        embeddings_initializer=_wide(),
    )
    x = layers.Dense(8, "tanh")(
        layers.LSTM(7, return_sequences=True)(table(_tokens(inputs)))
    )
    return keras.Model(inputs, table(x, reverse=True))
