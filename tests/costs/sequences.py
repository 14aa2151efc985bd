"""Models drawn at random, of layers for sequences: one of each kind."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

Random = np.random.Generator


def _width(rng: Random, low: int = 12, high: int = 40) -> int:
    return int(rng.integers(low, high))


def _sequence(rng: Random) -> Any:
    return keras.Input((int(rng.integers(10, 24)), int(rng.integers(4, 20))))


def _head(rng: Random, inputs: Any, x: Any) -> keras.Model:
    if rng.random() < 0.5:
        x = layers.Dense(_width(rng), activation="relu")(x)
    return keras.Model(inputs, layers.Dense(int(rng.integers(2, 12)))(x))


def gru(rng: Random) -> keras.Model:
    """A classifier: one or two GRUs, maybe over convolutions."""
    x = inputs = _sequence(rng)
    if rng.random() < 0.5:
        x = layers.Conv1D(_width(rng), 3, padding="same", activation="relu")(x)
    if rng.random() < 0.5:
        x = layers.GRU(_width(rng), return_sequences=True)(x)
    return _head(rng, inputs, layers.GRU(_width(rng))(x))


def bidirectional_lstm(rng: Random) -> keras.Model:
    """Both directions, as a sequence or at the end."""
    x = inputs = _sequence(rng)
    sequences = bool(rng.random() < 0.5)
    both = layers.LSTM(_width(rng), return_sequences=sequences)
    x = layers.Bidirectional(both)(x)
    return _head(rng, inputs, layers.LSTM(_width(rng))(x) if sequences else x)


def per_step(rng: Random) -> keras.Model:
    """A small net on each picture of a sequence, then an LSTM."""
    size = int(rng.choice([8, 12, 16]))
    x = inputs = keras.Input((int(rng.integers(4, 10)), size, size, 2))
    for _ in range(int(rng.integers(1, 3))):
        more = {"padding": "same", "activation": "relu"}
        x = layers.TimeDistributed(layers.Conv2D(_width(rng, 6, 20), 3, **more))(x)
        x = layers.TimeDistributed(layers.MaxPooling2D())(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.TimeDistributed(layers.Dense(_width(rng), activation="relu"))(x)
    return _head(rng, inputs, layers.LSTM(_width(rng))(x))


def transformer(rng: Random) -> keras.Model:
    """A block of attention and a block of Dense, each with its normalization."""
    inputs = _sequence(rng)
    heads, width = int(rng.integers(2, 5)), int(rng.choice([16, 24, 32]))
    x = layers.Dense(width)(inputs)
    y = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(heads, int(rng.integers(4, 12)))(y, y)
    x = layers.Add()([x, y])
    y = layers.LayerNormalization()(x)
    y = layers.Dense(_width(rng, 24, 64), activation="relu")(y)
    x = layers.Add()([x, layers.Dense(width)(y)])
    return _head(rng, inputs, layers.GlobalAveragePooling1D()(x))


def bidirectional_gru(rng: Random) -> keras.Model:
    """Both directions of an unrolled layer."""
    x = inputs = _sequence(rng)
    sequences = bool(rng.random() < 0.5)
    both = layers.GRU(_width(rng, 8, 24), return_sequences=sequences)
    x = layers.Bidirectional(both)(x)
    x = layers.GlobalAveragePooling1D()(x) if sequences else x
    return _head(rng, inputs, x)


def simple_rnn(rng: Random) -> keras.Model:
    """SimpleRNNs on top of each other."""
    x = inputs = _sequence(rng)
    if rng.random() < 0.5:
        x = layers.SimpleRNN(_width(rng), return_sequences=True)(x)
    return _head(rng, inputs, layers.SimpleRNN(_width(rng))(x))


#: One model of each is drawn.
KINDS: tuple[Callable[[Random], keras.Model], ...] = (
    gru,
    bidirectional_lstm,
    per_step,
    transformer,
    bidirectional_gru,
    simple_rnn,
)
