"""Layers called twice, models in models, and layers that nobody knows."""

from typing import Any

import keras
from keras import layers

from tests.laws.zoo_shared import Unknown
from tests.random_graphs.pieces_merge import like
from tests.random_graphs.sketch import Sketch, channels, piece


def same_width(s: Sketch, x: Any) -> Any:
    """A layer whose output has the shape of its input."""
    if len(x.shape) == 4 and s.flag():
        return layers.Conv2D(channels(x), 3, padding="same", activation=s.activation())
    if len(x.shape) == 3 and s.flag():
        return layers.GRU(channels(x), return_sequences=True)
    return layers.Dense(channels(x), activation=s.activation())


@piece("Shared layer, in a row")
def shared_in_a_row(s: Sketch) -> None:
    """It reads what it wrote: its inputs and outputs are tied."""
    x = s.take()
    layer = same_width(s, x)
    y = layer(x)
    if s.flag():
        y = layers.ReLU()(y)
    s.give(layer(y))


@piece("Shared layer, side by side")
def shared_side_by_side(s: Sketch) -> None:
    """Two towers, one encoder."""
    x = s.take()
    other = like(s, x)
    rank = len(x.shape)
    if rank == 4:
        layer = layers.Conv2D(s.width(), 3, padding="same", activation=s.activation())
    elif rank == 3 and s.flag():
        layer = layers.LSTM(s.width(), return_sequences=True)
    else:
        layer = layers.Dense(s.width(), activation=s.activation())
    s.give(layer(x), layer(other))


@piece("Shared norm")
def shared_norm(s: Sketch) -> None:
    """One BatchNormalization behind two layers."""
    x = s.take()
    other = like(s, x)
    norm = layers.BatchNormalization()
    s.give(norm(x), norm(other))


def inner_model(s: Sketch, shape: tuple[int, ...], same: bool) -> keras.Model:
    """A block of two layers: Sequential, or Functional with a skip or a norm."""
    x = inputs = keras.Input(shape)
    width = s.width()
    last = shape[-1] if same else s.width()
    wide: Any = layers.Dense(width, activation=s.activation())
    if len(shape) == 3 and not s.flag():
        wide = layers.Conv2D(width, 3, padding="same", activation=s.activation())
    narrow = layers.Dense(last)
    if s.flag(3):
        return keras.Sequential([keras.Input(shape), wide, narrow])
    x = wide(x)
    if s.flag():
        x = layers.BatchNormalization()(x)
    x = narrow(x)
    if last == shape[-1] and s.flag():
        x = layers.Add()([x, inputs])
    return keras.Model(inputs, x)


@piece("Model in a model")
def nested_model(s: Sketch) -> None:
    x = s.take()
    model = inner_model(s, x.shape[1:], same=False)
    if s.flag(3):  # and that one in another
        outer = keras.Input(x.shape[1:])
        model = keras.Model(outer, layers.ReLU()(model(outer)))
    s.give(model(x))


@piece("Model in a model, twice")
def nested_model_twice(s: Sketch) -> None:
    """Its weights are shared: side by side, or in a row."""
    x = s.take()
    in_a_row = s.flag()
    model = inner_model(s, x.shape[1:], same=in_a_row)
    if in_a_row:
        s.give(model(model(x)))
    else:
        other = like(s, x)
        s.give(model(x), model(other))


@piece("Two outputs of a model in a model")
def nested_model_with_two_outputs(s: Sketch) -> None:
    x = s.take()
    inputs = keras.Input(x.shape[1:])
    y = layers.Dense(s.width(), activation=s.activation())(inputs)
    model = keras.Model(inputs, [y, layers.Dense(s.width())(y)])
    s.give(*model(x))


@keras.saving.register_keras_serializable("tests")
class Mixing(Unknown):
    """With its shape given: Keras takes `x * 2.0` for sparse, and cannot trace it."""

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


@piece("Unknown layer")
def unknown(s: Sketch) -> None:
    s.give(Mixing()(s.take()))
