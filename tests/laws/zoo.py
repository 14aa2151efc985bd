"""Small whole models that the laws of masking and stripping range over.

A new model is one function and one decorator line; every law then holds it.
Each is small enough to run in milliseconds, and alive: see `enliven`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

IMAGE, SEQUENCE, VECTOR = (8, 8, 3), (5, 4), (6,)


@dataclass(frozen=True)
class Entry:
    """One model of the zoo.

    Attributes:
        name: what the test is called.
        build: makes it, with fresh weights.
        shapes: of its inputs, without the batch; a lone shape for one input.
        stock: whether it is made of stock Keras layers alone.
        folds: whether every mask sits on weights, which can hold the inverse
            of a gate that starts below 1.
    """

    name: str
    build: Callable[[], keras.Model]
    shapes: tuple[tuple[int, ...], ...]
    stock: bool = True
    folds: bool = True

    def __str__(self) -> str:
        return self.name

    def inputs(self, batch: int = 12, seed: int = 5) -> Any:
        rng = np.random.default_rng(seed)
        arrays = []
        for shape in self.shapes:
            # Examples differ in more than noise, which a pooling averages out.
            shift = rng.normal(0, 1.5, size=(batch, *(1 for _ in shape[1:]), shape[-1]))
            arrays.append((rng.normal(size=(batch, *shape)) + shift).astype("float32"))
        return arrays if len(arrays) > 1 else arrays[0]


ZOO: dict[str, Entry] = {}


def entry(*shapes: tuple[int, ...], stock: bool = True, folds: bool = True) -> Any:
    def add(build: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
        ZOO[build.__name__] = Entry(build.__name__, build, shapes, stock, folds)
        return build

    return add


def conv(filters: int, size: int = 3, **more: Any) -> layers.Conv2D:
    return layers.Conv2D(filters, size, **{"padding": "same", **more})


def skip_some_steps(x: Any) -> Any:
    """Some steps become 0, and are masked."""
    x = layers.Multiply()([x, keras.ops.cast(x[..., :1] > -0.5, x.dtype)])
    return layers.Masking()(x)


def head(x: Any) -> Any:
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


@entry(IMAGE)
def cnn_with_norm() -> keras.Model:
    x = inputs = keras.Input(IMAGE)
    for i, filters in enumerate((8, 10)):
        x = layers.BatchNormalization()(conv(filters, use_bias=False)(x))
        x = layers.MaxPooling2D()(layers.ReLU()(x)) if i == 0 else layers.ReLU()(x)
    return keras.Model(inputs, head(x))


@entry(IMAGE)
def cnn_with_bias() -> keras.Model:
    x = inputs = keras.Input(IMAGE)
    x = conv(8, activation="relu", name="same")(x)
    x = conv(6, padding="valid", activation="relu", name="valid")(x)
    x = conv(7, strides=2, activation="tanh", name="strided")(x)
    return keras.Model(inputs, head(x))


@entry(IMAGE)
def residual() -> keras.Model:
    """An identity skip, then one with a projection."""
    inputs = keras.Input(IMAGE)
    x = layers.ReLU()(layers.BatchNormalization()(conv(8)(inputs)))
    for filters, strides in ((8, 1), (10, 2)):
        y = conv(filters, strides=strides)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(conv(filters)(y))
        if strides > 1:
            x = layers.BatchNormalization()(conv(filters, 1, strides=strides)(x))
        x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(inputs, head(x))


@entry(IMAGE)
def pre_activation() -> keras.Model:
    """The normalization stands on the trunk, behind the Add."""
    inputs = keras.Input(IMAGE)
    x = conv(8)(inputs)
    for _ in range(2):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.ReLU()(layers.BatchNormalization()(conv(6)(y)))
        x = layers.Add()([x, conv(8)(y)])
    return keras.Model(inputs, head(layers.ReLU()(layers.BatchNormalization()(x))))


@entry(IMAGE)
def long_branch() -> keras.Model:
    """Three padded convolutions: only the last can lose all of its inputs."""
    inputs = keras.Input(IMAGE)
    x = conv(8, activation="relu", name="stem")(inputs)
    y = conv(6, activation="relu", name="first")(x)
    y = conv(5, activation="relu", name="second")(y)
    x = layers.Add()([x, conv(8, name="third")(y)])
    return keras.Model(inputs, head(x))


@entry(VECTOR)
def branch_through_softmax() -> keras.Model:
    """A softmax in the branch: what comes out of it is no known constant."""
    inputs = keras.Input(VECTOR)
    x = layers.Dense(8, activation="tanh", name="stem")(inputs)
    y = layers.Dense(6, activation="relu", name="inner")(x)
    y = layers.Softmax()(layers.Dense(8, name="outer")(y))
    return keras.Model(inputs, layers.Dense(3)(layers.Add()([x, y])))


@entry(IMAGE, folds=False)
def activations_apart() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = layers.Activation("sigmoid")(conv(8)(inputs))
    x = layers.Activation("softplus")(layers.BatchNormalization()(conv(8)(x)))
    x = layers.LeakyReLU()(conv(6)(x))
    x = layers.Dropout(0.2)(layers.Activation("gelu")(conv(6)(x)))
    x = layers.Flatten()(layers.MaxPooling2D(4)(x))
    return keras.Model(inputs, layers.Dense(3)(x))


@entry(IMAGE, folds=False)
def activations_inside() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = conv(8, activation="sigmoid")(inputs)
    x = conv(8, activation="elu")(x)
    x = layers.Flatten()(layers.AveragePooling2D(4)(x))
    x = layers.Dense(8, activation="softplus")(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@entry(VECTOR, folds=False)
def shared_sigmoid() -> keras.Model:
    """One Activation layer called twice, and masked behind either call."""
    inputs = keras.Input(VECTOR)
    sigmoid = layers.Activation("sigmoid")
    x = sigmoid(layers.Dense(8)(inputs))
    x = sigmoid(layers.Dense(7)(x))
    return keras.Model(inputs, layers.Dense(3)(x))


@entry(VECTOR)
def softmax_hidden() -> keras.Model:
    inputs = keras.Input(VECTOR)
    x = layers.Dense(8, activation="relu")(inputs)
    x = layers.Dense(6, activation="softmax")(x)
    x = layers.Dense(7, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@entry(IMAGE, folds=False)
def norm_without_scale_or_center() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = layers.BatchNormalization(scale=False)(conv(8)(inputs))
    x = layers.BatchNormalization(center=False)(conv(8)(layers.ReLU()(x)))
    x = layers.BatchNormalization(scale=False, center=False)(conv(6)(layers.ReLU()(x)))
    return keras.Model(inputs, head(layers.ReLU()(x)))


@entry(IMAGE)
def pooling() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = layers.MaxPooling2D(2, padding="same")(conv(8, activation="relu")(inputs))
    x = layers.AveragePooling2D(3, 2, padding="same")(conv(8, activation="relu")(x))
    x = layers.GlobalMaxPooling2D(keepdims=True)(conv(8, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


@entry(IMAGE)
def flatten_to_dense() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = layers.MaxPooling2D()(conv(8, activation="relu")(inputs))
    x = layers.Dense(9, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(3)(x))


@entry(IMAGE)
def flatten_to_norm() -> keras.Model:
    """A normalization of the flattened map: a channel is many of its entries."""
    inputs = keras.Input(IMAGE)
    x = layers.MaxPooling2D(4)(conv(8, activation="relu")(inputs))
    x = layers.BatchNormalization()(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(3)(x))


@entry(VECTOR)
def mlp() -> keras.Model:
    inputs = keras.Input(VECTOR)
    x = layers.Dense(10, activation="relu")(inputs)
    x = layers.Dense(9, activation="tanh", use_bias=False)(x)
    x = layers.BatchNormalization()(layers.Dense(8)(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


@entry(VECTOR)
def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(VECTOR),
            layers.Dense(10, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(8, activation="relu"),
            layers.Dense(3),
        ]
    )


@entry(SEQUENCE)
def stacked_lstm() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = layers.LSTM(8, return_sequences=True)(inputs)
    return keras.Model(inputs, layers.Dense(3)(layers.LSTM(7)(x)))


@entry(SEQUENCE)
def lstm_to_pooling() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = layers.LSTM(8, return_sequences=True, use_bias=False)(inputs)
    x = layers.Dense(8, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


@entry(SEQUENCE)
def lstm_in_branch() -> keras.Model:
    """What reads a closed input is still no constant: its bias moves it."""
    inputs = keras.Input(SEQUENCE)
    x = layers.Dense(8, activation="relu")(inputs)
    y = layers.LSTM(6, return_sequences=True)(layers.Dense(5)(x))
    x = layers.Add()([x, layers.Dense(8)(y)])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalMaxPooling1D()(x)))
