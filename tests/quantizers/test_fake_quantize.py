"""The layer that rounds activations: ranges, delay, what is saved, bad input."""

import re

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask.errors import InvalidArgumentError
from tests.reference import fake_quantization as oracle

X = np.linspace(-1.3, 2.6, 40).astype("float32").reshape(4, 10)


def _numpy(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def _limits(layer: kd.layers.FakeQuantize) -> list[float]:
    return [float(_numpy(limit)) for limit in layer.limits()]


def test_before_training_it_hands_on_what_it_gets() -> None:
    layer = kd.layers.FakeQuantize()
    np.testing.assert_array_equal(_numpy(layer(X)), X)


def test_the_first_batch_sets_the_range_and_later_ones_move_it() -> None:
    layer = kd.layers.FakeQuantize(momentum=0.9)
    layer(X, training=True)
    np.testing.assert_allclose(_limits(layer), [-1.3, 2.6], rtol=1e-6)
    layer(2 * X, training=True)
    np.testing.assert_allclose(_limits(layer), [-1.43, 2.86], rtol=1e-5)
    layer(9 * X)
    np.testing.assert_allclose(_limits(layer), [-1.43, 2.86], rtol=1e-5)
    expected = oracle.asymmetric(X.astype(float), -1.43, 2.86)
    np.testing.assert_allclose(_numpy(layer(X)), expected, atol=1e-5)


def test_the_range_holds_0_whatever_it_sees() -> None:
    layer = kd.layers.FakeQuantize()
    layer(X + 5.0, training=True)
    assert _limits(layer) == [0.0, pytest.approx(7.6)]


def test_a_delay_is_counted_in_training_steps_and_observes() -> None:
    layer = kd.layers.FakeQuantize(delay=2)
    for _ in range(2):
        np.testing.assert_array_equal(_numpy(layer(X, training=True)), X)
    assert np.any(_numpy(layer(X, training=True)) != X)
    np.testing.assert_allclose(_limits(layer), [-1.3, 2.6], rtol=1e-5)


def test_a_tensor_that_is_not_observed_takes_the_range() -> None:
    layer = kd.layers.FakeQuantize()
    layer(X, training=True)
    y = _numpy(layer(9 * X, observe=False, training=True))
    assert y.max() == pytest.approx(2.6, rel=1e-2)
    np.testing.assert_allclose(_limits(layer), [-1.3, 2.6], rtol=1e-6)


def test_learned_factors_multiply_the_observed_range() -> None:
    layer = kd.layers.FakeQuantize(ranges="learned")
    layer(X, training=True)
    assert len(layer.trainable_weights) == 1
    layer.trainable_weights[0].assign(np.log([0.5, 2.0]))
    np.testing.assert_allclose(_limits(layer), [-0.65, 5.2], rtol=1e-5)


def test_a_fixed_range_needs_no_training() -> None:
    layer = kd.layers.FakeQuantize(ranges="fixed", low=0.0, high=255 / 256)
    p = np.array([[0.0, 0.3, 1.0]], "float32")
    np.testing.assert_allclose(_numpy(layer(p)), [[0.0, 77 / 256, 255 / 256]])


def test_saved_and_loaded_it_rounds_alike(tmp_path) -> None:
    inputs = keras.Input((10,))
    model = keras.Model(inputs, kd.layers.FakeQuantize(ranges="learned")(inputs))
    model(X, training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(_numpy(again(X)), _numpy(model(X)))
    assert np.any(_numpy(again(X)) != X)


def test_switched_off_it_hands_on_and_then_goes_on() -> None:
    inputs = keras.Input((10,))
    model = keras.Model(inputs, kd.layers.FakeQuantize()(inputs))
    model(X, training=True)
    rounded = _numpy(model(X))
    with kd.quantizers.switched_off(model):
        np.testing.assert_array_equal(_numpy(model(X)), X)
    np.testing.assert_array_equal(_numpy(model(X)), rounded)


def test_half_precision_is_rounded_in_float32() -> None:
    layer = kd.layers.FakeQuantize(dtype="mixed_float16")
    y = layer(keras.ops.cast(X, "float16"), training=True)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert all(weight.dtype == "float32" for weight in layer.weights)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"bits": 3}, "Expected bits to be 8 for"),
        ({"ranges": "minmax"}, "Expected ranges in ('moving', 'learned', 'fixed')"),
        ({"momentum": 1.0}, "Expected momentum between 0 and 1"),
        ({"delay": -1}, "Expected delay of"),
        ({"ranges": "fixed"}, "Expected low <= 0 <= high with ranges='fixed'"),
        ({"low": -1.0, "high": 1.0}, "Expected low <= 0 <= high with"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict, sentence: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(sentence)):
        kd.layers.FakeQuantize(**arguments)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: kd.quantizers.WeightQuantizer(3), "to be 8 or 4; received bits=3"),
        (lambda: kd.quantizers.get("int2"), "Did you mean 'int8'?"),
        (
            lambda: kd.quantizers.get_quantization("int16"),
            "Expected quantization to be 'int8' or 'int4'",
        ),
        (
            lambda: kd.quantizers.Quantization(weight_bits=2),
            "Expected weight_bits to be 8 or 4",
        ),
        (lambda: kd.quantizers.Quantization(ranges="x"), "Expected ranges to be"),
        (
            lambda: kd.layers.MaskedBatchNormalization(quantizer="int8"),
            "Expected a layer with a kernel for the quantizer of",
        ),
    ],
)
def test_bad_quantizers_are_refused(make, sentence: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(sentence)):
        make()
