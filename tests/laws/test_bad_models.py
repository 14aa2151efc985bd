"""Every model or word that cannot be used ends in one sentence that says why."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError


def _keras_2_model() -> Any:
    """Stands in for a model of tf_keras, which is known by its module."""
    base = type("Model", (), {"__module__": "tf_keras.src.engine.training"})
    return type("Functional", (base,), {"name": "old"})()


class _Subclassed(keras.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


def _with_nan() -> keras.Model:
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)]
    )
    model.layers[0].kernel.assign(np.full((3, 4), np.nan, "float32"))
    return model


def _quantized(mode: str, *hidden: Any) -> keras.Model:
    """By Keras, which changes what a layer holds and not its configuration."""
    inputs = keras.Input((5, 6))
    x = keras.layers.Dense(6, activation="relu", name="first")(inputs)
    for layer in hidden:
        is_attention = isinstance(layer, keras.layers.MultiHeadAttention)
        x = layer(x, x) if is_attention else layer(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="last")(x))
    model.quantize(mode)
    model(np.ones((1, 5, 6), "float32"))
    return model


def _attention() -> Any:
    return keras.layers.MultiHeadAttention(2, 4, name="heads")


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "keras_2": (_keras_2_model, r"Expected a Keras 3 model; .* \(tf_keras\) .*keras"),
    "no_model": (lambda: "model.keras", r"Expected a Keras 3 model; .*builtins\.str"),
    "subclassed": (_Subclassed, "Expected a Sequential or Functional model; .*Rebuild"),
    "unbuilt": (
        lambda: keras.Sequential([keras.layers.Dense(3)]),
        r"Expected a built model; .* Add keras\.Input\(shape\)",
    ),
    "int8_attention": (
        lambda: _quantized("int8", _attention()),
        r"copy of .*MultiHeadAttention 'heads'; .*quantize\(\) changed it, .* floats",
    ),
    "int4_attention": (
        lambda: _quantized("int4", _attention()),
        r"copy of .*MultiHeadAttention 'heads'; .*quantize\(\) changed it, .* floats",
    ),
    "float8": (
        lambda: _quantized(
            "float8", *(keras.layers.Conv1D(n, 1, activation="relu") for n in (4, 6))
        ),
        r"copy of Dense '(first|last)'; .*quantize\(\) changed it, .* of floats",
    ),
    "nan": (_with_nan, "Expected finite weights; .*kernel.* Load the last checkpoint"),
}
OPERATIONS = {
    "mask_model": kd.mask_model,
    "strip": export.strip,
    "plan": export.plan,
    "summary": lambda model: kd.summary(model, verbose=False),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", BAD)
def test_model_is_refused(kind: str, operation: str) -> None:
    make, sentence = BAD[kind]
    if (kind, operation) == ("nan", "summary"):
        pytest.skip("a table of sizes does not depend on values")
    with pytest.raises(UnsupportedModelError, match=sentence) as caught:
        OPERATIONS[operation](make())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_integers_of_keras_stay_where_their_copy_has_them(mode: str) -> None:
    model = _quantized(mode, keras.layers.Conv1D(4, 1, activation="relu"))
    x = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
    expected = keras.ops.convert_to_numpy(model(x))
    slim = keras.ops.convert_to_numpy(export.strip(model)(x))
    np.testing.assert_array_equal(slim, expected)


@pytest.mark.parametrize("kind", ["keras_2", "no_model"])
def test_gates_of_no_model(kind: str) -> None:
    make, sentence = BAD[kind]
    with pytest.raises(UnsupportedModelError, match=sentence):
        kd.gates(make())


def test_gates_of_a_subclassed_model_are_found() -> None:
    class Wrapped(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = kd.layers.MaskedDense(3)

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    model = Wrapped()
    model(np.ones((1, 2), "float32"))
    assert [gate.units for gate in kd.gates(model)] == [3]


def test_masked_already() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
    )
    masked = kd.mask_model(model)
    with pytest.raises(UnsupportedModelError, match="without masks; received .* gate"):
        kd.mask_model(masked)


@pytest.mark.parametrize("granularity", ["channel", "weight"])
def test_nothing_to_mask(granularity: str) -> None:
    only = keras.layers.ReLU() if granularity == "weight" else keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((3,)), only])
    with pytest.raises(UnsupportedModelError, match=r"Expected a model with at least"):
        kd.mask_model(model, granularity=granularity)


def _good() -> keras.Model:
    layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)]
    return keras.Sequential(layers)


@pytest.mark.parametrize("word", ["estimator", "granularity", "gate_regularizer"])
def test_unknown_word(word: str) -> None:
    sentence = rf"Expected {word} to be one of .*; received .*nonsense.*\. Pass"
    with pytest.raises(InvalidArgumentError, match=sentence):
        kd.mask_model(_good(), **{word: "nonsense"})


@pytest.mark.parametrize(
    "keep",
    [np.ones(3, bool), np.ones(4), [1, 0, 1, 0], np.zeros(4, bool)],
    ids=["shape", "floats", "ints", "nothing_left"],
)
def test_bad_decision_leaves_the_gate_alone(keep: Any) -> None:
    (gate,) = kd.gates(kd.mask_model(_good()))
    with pytest.raises(InvalidArgumentError, match=f"gate '{gate.name}'; received"):
        gate.set_keep(keep)
    assert not gate.is_fixed and gate.keep.all()


def test_finalize_without_a_budget() -> None:
    with pytest.raises(InvalidArgumentError, match="Expected a model with a budget"):
        kd.finalize(kd.mask_model(_good()))
