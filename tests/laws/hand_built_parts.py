"""More models built by hand: gates on parts of a kernel, by whole inputs of it."""

from typing import Any

import keras
import numpy as np
from keras import layers

from keras_diffmask import layers as masked
from tests.laws.hand_built import close, hand_built, last
from tests.laws.zoo import IMAGE, SEQUENCE, VECTOR, head


def _keep(model: keras.Model, name: str, keep: Any) -> keras.Model:
    model.get_layer(name).gate.set_keep(np.asarray(keep))
    return model


@hand_built(VECTOR, {"first": 5, "masked": 7})
def closed_inputs_of_dense() -> keras.Model:
    """Nobody reads three units of the layer before: they go."""
    inputs = keras.Input(VECTOR)
    x = layers.Dense(8, "tanh", name="first")(inputs)
    x = masked.MaskedDense(7, "tanh", granularity="input", name="masked")(x)
    return close(keras.Model(inputs, last(x)), ("masked_gate", 3))


@hand_built(IMAGE, {"first": 5, "masked": 4, "up": 6})
def closed_inputs_of_convolutions() -> keras.Model:
    """Through a normalization, and at the transposed kernel's other axis."""
    inputs = keras.Input(IMAGE)
    x = layers.Conv2D(8, 3, padding="same", name="first")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    arguments = {"padding": "same", "activation": "relu", "granularity": "input"}
    x = masked.MaskedConv2D(6, 3, name="masked", **arguments)(x)
    x = masked.MaskedConv2DTranspose(6, 3, name="up", **arguments)(x)
    model = keras.Model(inputs, head(x))
    return close(model, ("masked_gate", 3), ("up_gate", 2))


@hand_built(IMAGE, {"first": 7, "masked": 6})
def closed_slices_of_a_convolution() -> keras.Model:
    """One input channel is left by all of its slices, others by some."""
    inputs = keras.Input(IMAGE)
    x = layers.Conv2D(8, 3, activation="relu", name="first")(inputs)
    x = masked.MaskedConv2D(6, 3, granularity="kernel", name="masked")(x)
    model = keras.Model(inputs, head(layers.ReLU()(x)))
    keep = np.random.default_rng(3).uniform(size=(1, 1, 8, 6)) < 0.6
    keep[..., 0], keep[..., 4, :] = True, False
    return _keep(model, "masked", keep)


@hand_built(SEQUENCE, {"first": 5, "masked": 7})
def closed_blocks() -> keras.Model:
    """Of blocks of three inputs by two units the first three inputs lose all."""
    inputs = keras.Input(SEQUENCE)
    x = layers.Conv1D(8, 2, activation="tanh", name="first")(inputs)
    x = masked.MaskedConv1D(7, 2, granularity="block:3x2", name="masked")(x)
    x = layers.GlobalAveragePooling1D()(layers.Activation("tanh")(x))
    keep = np.ones((3, 4), bool)
    keep[0], keep[1, 2], keep[2, 3] = False, False, False
    return _keep(keras.Model(inputs, last(x)), "masked", keep)
