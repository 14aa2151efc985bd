"""Graphs in which what a tensor is a multiple of is not what it seems."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from tests.laws.masked_cases import array

RNG = np.random.default_rng(0)


def _seen(model: keras.Model, x: Any) -> keras.Model:
    """The quantized model, its ranges observed."""
    quantized = kd.quantize_model(model)
    quantized(x, training=True)
    return quantized


def _steps(model: keras.Model, x: Any) -> np.ndarray:
    """How far its inference is from rounding once, in steps of the output."""
    nearest = keras.Model(model.input, model.output)
    apart = np.abs(array(model(x, training=False)) - array(nearest(x, training=False)))
    return apart / float(array(model.layers[-1].step()))


SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "a mean of the steps that count": lambda x: layers.GlobalAveragePooling1D()(
        layers.Masking()(x)
    ),
    "a mean of the batch": lambda x: keras.ops.mean(x, axis=0),
    "a mean of all": lambda x: keras.ops.mean(x),
    "a factor": lambda x: x * 2.0,
    "an offset": lambda x: layers.Rescaling(2.0, 0.5)(x) + 1.0,
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_is_not_known_is_rounded_once(name: str) -> None:
    inputs = keras.Input((6, 4))
    x = RNG.normal(size=(32, 6, 4)).astype("float32")
    x[::2, 3:] = 0.0  # steps to skip
    model = _seen(keras.Model(inputs, SEQUENCES[name](inputs)), x)
    assert _steps(model, x).max() <= 1.01


def test_a_filter_of_zeros_keeps_its_bias() -> None:
    inputs = keras.Input((6, 6, 3))
    conv = layers.Conv2D(4, 3)
    model = keras.Model(inputs, conv(inputs))
    kernel, bias = (array(weight) for weight in conv.weights)
    kernel[..., :2], bias[:] = 0.0, [0.3, -0.7, 0.1, 0.2]
    conv.set_weights([kernel, bias])
    x = RNG.normal(size=(16, 6, 6, 3)).astype("float32")
    model = _seen(model, x)
    half = float(array(model.layers[-1].step())) / 2
    found = array(model(x, training=False))[..., :2]
    assert np.abs(found - bias[:2]).max() <= 1.01 * half


def test_a_closed_branch_leaves_no_second_rounding() -> None:
    inputs = keras.Input((8, 8, 4))
    h = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    branch = layers.Conv2D(4, 3, padding="same")(h)
    model = keras.Model(inputs, layers.Conv2D(3, 1)(layers.Add()([h, branch])))
    masked = kd.mask_model(model, granularity="branch", quantization="int8")
    x = RNG.normal(size=(16, 8, 8, 4)).astype("float32")
    masked(x, training=True)
    kd.gates(masked)[0].set_keep([False])
    slim = export.strip(masked, keep_quantizers=True)
    assert len(slim.layers) < len(masked.layers)
    apart = array(slim(x, training=False)) - array(masked(x, training=False))
    assert np.abs(apart).max() < 1e-6


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_model_by_hand_rounds_as_in_training_and_so_does_its_strip(
    activation: str,
) -> None:
    inputs = keras.Input((12,))
    h = kd.layers.FakeQuantize()(inputs)
    h = kd.layers.MaskedDense(9, activation=activation, quantizer="int8")(h)
    model = keras.Model(inputs, kd.layers.FakeQuantize()(h))
    x = RNG.normal(size=(256, 12)).astype("float32")
    model(x, training=True)
    slim = export.strip(model, keep_quantizers=True)
    apart = array(slim(x, training=False)) - array(model(x, training=False))
    assert np.abs(apart).max() < 1e-6


def test_in_another_model_it_is_what_it_was() -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3)(inputs))
    x = RNG.normal(size=(16, 8, 8, 3)).astype("float32")
    quantized = _seen(model, x)
    again = keras.Input((8, 8, 3))
    outer = keras.Model(again, quantized(again))
    slim = export.strip(outer, keep_quantizers=True)
    expected = array(quantized(x, training=False))
    for one in (outer, slim):
        np.testing.assert_allclose(array(one(x, training=False)), expected, atol=1e-6)


def test_16_bits_compute_what_32_do_and_on_the_grid() -> None:
    def build(policy: str | None) -> keras.Model:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((8, 8, 3))
        h = layers.Conv2D(8, 3, use_bias=False, dtype=policy)(inputs)
        h = layers.ReLU(dtype=policy)(layers.BatchNormalization(dtype=policy)(h))
        h = layers.GlobalAveragePooling2D(dtype=policy)(h)
        return _seen(keras.Model(inputs, layers.Dense(4, dtype="float32")(h)), x)

    x = RNG.normal(size=(16, 8, 8, 3)).astype("float32")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        narrow = build("mixed_bfloat16")
        found = array(narrow(x, training=False)).astype("float32")
    finally:
        keras.config.set_dtype_policy("float32")
    step = float(array(narrow.layers[-1].step()))
    integers = found / step
    assert np.abs(integers - np.rint(integers)).max() < 1e-3
    assert np.abs(found - array(build(None)(x, training=False))).max() < 6 * step


def test_inputs_and_masks_come_as_keras_lets_them() -> None:
    first, second = keras.Input((5, 3), name="a"), keras.Input((5, 3), name="b")
    h = layers.Dense(4, activation="relu")(layers.Add()([first, second]))
    model = keras.Model({"a": first, "b": second}, layers.Dense(2)(h))
    x = {name: RNG.normal(size=(8, 5, 3)).astype("float32") for name in "ab"}
    quantized = _seen(model, x)
    expected = array(quantized(x, training=False))
    mask = keras.ops.ones((8, 5), "bool")
    for masks in (None, [mask], [mask, None]):
        found = quantized({**x}, training=False, mask=masks)
        np.testing.assert_array_equal(array(found), expected)
