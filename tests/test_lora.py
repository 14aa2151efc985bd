"""LoRA weights: merged into the kernels that they are added to, never lost."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import UnsupportedModelError
from tests.laws.alive import array

RNG = np.random.default_rng(0)


def _tuned(layer: Any) -> Any:
    """The layer with LoRA weights as after training, at another scale than 1."""
    layer.enable_lora(2, lora_alpha=6)
    for weight in layer.weights:
        if weight.name.startswith("lora"):
            weight.assign(RNG.normal(size=weight.shape))
    return layer


def _chain(first: Any, inputs: Any) -> keras.Model:
    """`first`, whose units the next layer reads."""
    return keras.Model(inputs, layers.Dense(2)(layers.Dense(3)(first(inputs))))


def _one(first: Any, inputs: Any) -> keras.Model:
    model = _chain(first, inputs)
    _tuned(first)
    return model


def _dense() -> keras.Model:
    return _one(layers.Dense(8, "relu"), keras.Input((6,)))


def _einsum() -> keras.Model:
    return _one(layers.EinsumDense("abc,cd->abd", (5, 8)), keras.Input((5, 6)))


def _embedding() -> keras.Model:
    return _one(layers.Embedding(10, 6), keras.Input((5,), dtype="int32"))


def _conv() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    first = layers.Conv2D(6, 3)
    model = keras.Model(inputs, layers.Conv2D(2, 3)(first(inputs)))
    _tuned(first)
    return model


def _wrapped() -> keras.Model:
    first = layers.TimeDistributed(layers.Dense(8, "relu"))
    model = _chain(first, keras.Input((5, 6)))
    _tuned(first.layer)
    return model


def _attention() -> keras.Model:
    first = layers.MultiHeadAttention(3, 4)
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, layers.Dense(2)(first(inputs, inputs)))
    for part in (first.query_dense, first.value_dense, first.output_dense):
        _tuned(part)
    return model


def _nested() -> keras.Model:
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(2)(_dense()(inputs)))


MODELS: dict[str, Callable[[], keras.Model]] = {
    "dense": _dense,
    "einsum": _einsum,
    "embedding": _embedding,
    "conv": _conv,
    "wrapped": _wrapped,
    "attention": _attention,
    "nested": _nested,
}


def _x(model: keras.Model) -> np.ndarray:
    shape = (4, *model.inputs[0].shape[1:])
    if model.inputs[0].dtype == "int32":
        return RNG.integers(0, 10, shape)
    return RNG.normal(size=shape).astype("float32")


@pytest.mark.parametrize("name", MODELS)
def test_masked_and_stripped_compute_with_the_merged_kernel(name: str) -> None:
    model = MODELS[name]()
    x, before = _x(model), model.get_weights()
    dense, masked = array(model(x)), kd.mask_model(model)
    np.testing.assert_allclose(array(masked(x)), dense, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        array(export.strip(model)(x)), dense, rtol=1e-5, atol=1e-5
    )
    gate = kd.gates(masked)[0]
    gate.set_keep(np.arange(gate.units) > 0)
    closed, slim = array(masked(x)), export.strip(masked)
    assert np.abs(closed - dense).max() > 1e-2, "the closed unit was dead"
    np.testing.assert_allclose(array(slim(x)), closed, rtol=1e-5, atol=1e-5)
    assert slim.count_params() < export.strip(model).count_params()
    assert not any("lora" in weight.path for weight in slim.weights)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_gates_on_weights_start_at_the_merged_kernel() -> None:
    model = _dense()
    x = _x(model)
    masked = kd.mask_model(model, granularity="weight")
    np.testing.assert_allclose(array(masked(x)), array(model(x)), rtol=1e-5, atol=1e-5)


def test_recalibrated_copies_are_merged() -> None:
    inputs = keras.Input((6,))
    first = layers.Dense(8)
    h = layers.BatchNormalization()(first(inputs))
    model = keras.Model(inputs, layers.Dense(2)(h))
    _tuned(first)
    x = RNG.normal(size=(64, 6)).astype("float32")
    norm = export.recalibrate(model, x, batch_size=64).layers[2]
    seen = x @ array(first.kernel) + array(first.bias)
    np.testing.assert_allclose(array(norm.moving_mean), seen.mean(0), atol=1e-5)


def test_a_gated_layer_takes_none() -> None:
    masked = kd.mask_model(keras.Sequential([keras.Input((4,)), *_two()]))
    with pytest.raises(
        UnsupportedModelError, match=r"received enable_lora of .first. "
    ):
        masked.get_layer("first").enable_lora(2)


def _two() -> list[Any]:
    return [layers.Dense(8, name="first"), layers.Dense(2)]


def test_projections_of_gated_attention_may_have_some() -> None:
    inputs = keras.Input((5, 6))
    h = layers.MultiHeadAttention(3, 4, name="attention")(inputs, inputs)
    masked = kd.mask_model(keras.Model(inputs, layers.Dense(2)(h)))
    _tuned(masked.get_layer("attention").query_dense)
    x = RNG.normal(size=(4, 5, 6)).astype("float32")
    gate = kd.gates(masked)[0]
    gate.set_keep(np.arange(gate.units) > 0)
    slim = export.strip(masked)
    np.testing.assert_allclose(array(slim(x)), array(masked(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="one backend is enough")
def test_a_scale_that_a_quantized_copy_would_lose_is_refused() -> None:
    model = _dense()
    model.layers[1].quantize("int8")
    with pytest.raises(UnsupportedModelError, match="lora_alpha=6 of .*rank 2 and"):
        export.strip(model)
