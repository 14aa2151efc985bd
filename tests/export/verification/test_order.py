"""Models with several inputs and outputs, and files that list them otherwise."""

from dataclasses import replace

import keras
import pytest

from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.verification.order import order_of
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


def foreign(artifact, *outputs):
    """As if another converter had written it, with its own names of the outputs."""
    specs = zip(artifact.outputs, outputs, strict=True)
    renamed = tuple(replace(spec, name=name) for spec, name in specs)
    return replace(artifact, target=None, outputs=renamed)


@pytest.mark.parametrize("names", [("output_1", "output_0"), ("y", "z")])
def test_names_decide_what_is_compared(artifact, tensors, x, names):
    a, b, y, z = tensors
    turned = keras.Model([b, a], [z, y])
    other = foreign(artifact, *names)
    found = export.verify(other, turned, x, per_layer=True, tflm=False)
    assert found.pair("keras", "litert").max_error < 1e-5
    assert max(layer.relative_error for layer in found.layers) < 1e-5
    assert found.notes == ("TFLM was not asked.",)


def test_what_names_leave_open_is_said(artifact, named, tensors, x):
    found = export.verify(foreign(artifact, "p", "q"), named, x, tflm=False)
    assert found.pair("keras", "litert").max_error < 1e-5
    assert found.notes[0].startswith("The file's outputs (p, q) were paired")
    assert found.notes[0] in found.table() and len(found.notes) == 2


def test_names_that_are_counters_decide_nothing(artifact, tensors):
    """Keras gives them anew whenever a model is made."""
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([b, a], layers.Add()([a, b]))
    specs = tuple(
        replace(spec, name=tensor.name)
        for spec, tensor in zip(artifact.inputs, (a, b), strict=True)
    )
    other = replace(artifact, inputs=specs, outputs=artifact.outputs[:1])
    assert order_of(other, model).inputs == (0, 1)
    assert order_of(other, model).notes == ()
    assert (
        "inputs (keras_tensor" in order_of(replace(other, target=None), model).notes[0]
    )


def test_why_keras_refuses_is_said(artifact, x):
    a, b = keras.Input((4,), name="a"), keras.Input((5,), name="b")
    other = keras.Model({"b": b, "a": a}, layers.Concatenate()([a, b]))
    with pytest.raises(InvalidArgumentError) as caught:
        export.verify(artifact, other, x)
    assert "encountered" not in caught.value.received
    assert "shape" in caught.value.received and "\x1b" not in caught.value.received
