"""A small network of several kinds of layers, and its int8 file, made once."""

import keras
import numpy as np
import pytest

from keras_diffmask import export

layers = keras.layers


def draw(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def build():
    """Conv, BatchNormalization, ReLU, a residual Add, a nested model, Dropout."""
    keras.utils.set_random_seed(3)
    inner_in = keras.Input((5, 5, 4))
    inner = layers.Conv2D(4, 3, padding="same", activation="relu", name="inner_conv")
    nested = keras.Model(inner_in, inner(inner_in), name="nested")
    inputs = keras.Input((10, 10, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    y = layers.Conv2D(4, 3, padding="same", use_bias=False, name="branch")(x)
    x = layers.Add(name="join")([x, layers.BatchNormalization(name="branch_bn")(y)])
    x = layers.ReLU(name="join_relu")(x)
    x = nested(layers.MaxPooling2D(name="pool")(x))
    x = layers.Dropout(0.5, name="dropout")(layers.Flatten(name="flat")(x))
    model = keras.Model(inputs, layers.Dense(6, name="head")(x), name="small")
    model(draw(64, 10, 10, 3), training=True)
    for norm in ("stem_bn", "branch_bn"):
        layer = model.get_layer(norm)
        layer.gamma.assign(draw(4, seed=4) ** 2 + 0.5)
        layer.beta.assign(draw(4, seed=5))
    return model


@pytest.fixture(scope="package")
def model():
    return build()


@pytest.fixture(scope="package")
def artifact(model):
    return export.to_tflite(
        model, "int8", calibration=draw(64, 10, 10, 3), target="cortex-m"
    )


@pytest.fixture(scope="package")
def x():
    return draw(90, 10, 10, 3, seed=2)
