"""Models with several inputs and outputs."""

import keras
import pytest

from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError
from tests.export.verification.conftest import draw

layers = keras.layers


@pytest.fixture(scope="module")
def tensors():
    keras.utils.set_random_seed(1)
    b, a = keras.Input((4,), name="b"), keras.Input((4,), name="a")
    y = layers.Dense(2, name="y")(a)
    z = layers.Dense(2, name="z")(layers.Concatenate(name="both")([b, a]))
    return a, b, y, z


@pytest.fixture(scope="module")
def named(tensors):
    """Called with a dict; Keras' order is that of the sorted keys."""
    a, b, y, z = tensors
    return keras.Model({"b": b, "a": a}, {"z": z, "y": y}, name="named")


@pytest.fixture(scope="module")
def artifact(named):
    return export.to_tflite(named)


@pytest.fixture(scope="module")
def x():
    return {"b": draw(70, 4), "a": draw(70, 4, seed=2)}


def test_a_model_that_takes_a_dict(artifact, named, x):
    found = export.verify(artifact, named, x, per_layer=True, tflm=False)
    assert found.pair("keras", "litert").max_error < 1e-5
    assert {layer.layer for layer in found.layers} >= {"y", "z"}
    assert max(layer.relative_error for layer in found.layers) < 1e-5
    assert found.notes == ("TFLM was not asked.",)


def test_why_keras_refuses_is_said(artifact, x):
    a, b = keras.Input((4,), name="a"), keras.Input((5,), name="b")
    other = keras.Model({"b": b, "a": a}, layers.Concatenate()([a, b]))
    with pytest.raises(InvalidArgumentError) as caught:
        export.verify(artifact, other, x)
    assert "encountered" not in caught.value.received
    assert "shape" in caught.value.received and "\x1b" not in caught.value.received
