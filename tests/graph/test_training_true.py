"""Layers called with `training=True` are no constants, whatever comes in."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from keras_diffmask import export
from tests.laws import alive

#: Layer -> what is left of eight channels of which three are constant.
LAYERS = {
    "gaussian_noise": (lambda: layers.GaussianNoise(0.5), 8),
    "batch_normalization": (lambda: layers.BatchNormalization(), 8),
}


def _model(make: Any, training: bool) -> keras.Model:
    inputs = keras.Input((6,))
    x = layers.Dense(8, name="hidden")(inputs)
    x = make()(x, training=training)
    return keras.Model(inputs, layers.Dense(3)(layers.ReLU()(x)))


@pytest.mark.parametrize("name", LAYERS)
def test_training_mode_is_no_constant(name: str) -> None:
    make, left = LAYERS[name]
    x = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
    for training, expected in ((True, left), (False, 5)):
        model = alive.enliven(_model(make, training), x)
        kernel = alive.array(model.get_layer("hidden").kernel).copy()
        kernel[:, 2:5] = 0
        model.get_layer("hidden").kernel.assign(kernel)
        slim = export.strip(model)
        assert slim.get_layer("hidden").units == expected
        if name == "batch_normalization":
            assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-5
