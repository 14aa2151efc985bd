"""Small models and their files, converted in this process."""

import keras
import numpy as np
import pytest

from tests.export.emit.conftest import _in_process, build_lstm, draw


def build_kinds():
    """All kinds of operators that lose channels, in one model."""
    keras.utils.set_random_seed(4)
    layers = keras.layers
    inputs = keras.Input((10, 10, 3))
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(inputs)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x)
    y = layers.ReLU()(layers.Conv2D(18, 1)(x))
    z = layers.Conv2D(18, 3, padding="same", groups=3)(y)
    z = layers.ZeroPadding2D(((1, 3), (3, 1)))(layers.LeakyReLU()(z))
    z = layers.Conv2D(10, 5)(z)
    x = layers.Concatenate()(
        [layers.MaxPooling2D(2)(y), layers.AveragePooling2D(2, padding="same")(z)]
    )
    x = layers.Conv2DTranspose(9, 2, strides=2)(x)
    x = layers.Multiply()([x, layers.Activation("sigmoid")(x)])
    x = layers.Flatten()(layers.MaxPooling2D(5)(x))
    x = layers.Dense(17, activation="tanh")(x)
    return keras.Model(inputs, layers.Softmax()(layers.Dense(4)(x)), name="kinds")


def build_small(width=20):
    """What is quickly timed: two convolutions, an Add, Dense."""
    keras.utils.set_random_seed(5)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(width, 3, padding="same", activation="relu")(inputs)
    x = layers.Add()([x, layers.Conv2D(width, 3, padding="same")(x)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(4)(x), name="small")


BUILD = {"kinds": (build_kinds, (10, 10, 3)), "lstm": (build_lstm, (9, 7))}


@pytest.fixture(scope="session")
def here():
    """`converted` without a child; a model of `BUILD` is converted once."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        convert = _in_process(monkeypatch)

        known = {}

        def content(model, quantization, examples):
            key = model.name, quantization
            if key not in known or model.name not in BUILD:
                name = quantization if quantization == "int8" else None
                used_up = keras.models.clone_model(model)
                known[key] = convert(used_up, np.asarray(examples), name).content
            return known[key]

        yield content


@pytest.fixture(scope="session", params=["kinds int8", "kinds float32", "lstm int8"])
def dense(request, here):
    """A dense model and its file."""
    name, quantization = request.param.split()
    build, shape = BUILD[name]
    model = build()
    return model, here(model, quantization, draw(*shape)[:16])
