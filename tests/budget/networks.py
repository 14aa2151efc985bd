"""A small residual network with a budget, and something for it to learn."""

from typing import Any

import keras
import numpy as np

import keras_diffmask as kd

EXAMPLES, BATCH = 64, 16


def data() -> tuple[np.ndarray, np.ndarray]:
    """Two classes that a line tells apart."""
    x = np.random.default_rng(0).normal(size=(EXAMPLES, 6)).astype("float32")
    return x, (x[:, 0] + x[:, 1] > 0).astype("int32")


def masked(
    budget: kd.Budget | None, compiled: bool = False, **more: Any
) -> kd.MaskedModel:
    """A residual net; where tracing is slow, compiled only if it is asked for."""
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8, activation="relu")(inputs)
    y = keras.layers.Dense(6, activation="relu")(x)
    x = keras.layers.Add()([x, keras.layers.Dense(8)(y)])
    x = keras.layers.Dense(8, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    model = kd.mask_model(model, budget=budget, **more)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    eagerly = keras.backend.backend() == "tensorflow" and not compiled
    model.compile(keras.optimizers.Adam(0.01), loss, run_eagerly=eagerly)
    return model
