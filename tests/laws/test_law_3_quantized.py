"""Law 3 with quantizers: kept in the strip, or left behind, the function stays."""

import warnings
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.layers import FakeQuantize
from tests.laws import alive
from tests.laws.alive import CHOSEN
from tests.laws.zoo import Entry

#: A third of the zoo: no rule of the strip knows quantizers, but for one.
ENTRIES = CHOSEN[::3]


@cache
def _quantized(name: str) -> kd.MaskedModel:
    """Masked, quantized, and trained as far as ranges go."""
    original, _ = alive.pair(name)
    with warnings.catch_warnings():
        # A Dense inside of TimeDistributed trains in floats, and is named.
        warnings.filterwarnings("ignore", "The weights of time_distributed")
        model = kd.mask_model(original, quantization="int8")
    entry = alive.MODELS[name]
    for gate in kd.gates(model):
        gate.set_keep(np.ones(gate.mask_shape, bool))
    alive.decide(model, 0.5, seed=7)
    model(entry.inputs(16, seed=4), training=True)
    return model


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_switched_off_it_is_the_plain_strip(entry: Entry) -> None:
    model, x = _quantized(entry.name), entry.inputs()
    with kd.quantizers.switched_off(model):
        expected = alive.run(model, x)
    slim = export.strip(model)
    assert not kd.quantizers.quantizers_of(slim)
    assert alive.distance(expected, alive.run(slim, x)) <= 1e-5


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_kept_they_round_as_in_the_masked_model(entry: Entry) -> None:
    model, x = _quantized(entry.name), entry.inputs()
    expected = alive.run(model, x)
    slim = export.strip(model, keep_quantizers=True)
    found = alive.run(slim, x)
    # A sum that comes out in another order may cross a rounding: by one step of
    # one tensor, which is far less than what a wrong scale does.
    pairs = zip(expected, found, strict=True)
    off = [np.abs(a - b) / alive.scale(expected) for a, b in pairs]
    assert max(np.max(part) for part in off) <= 0.05
    assert max(np.mean(part > 1e-5) for part in off) <= 0.05
    plain = export.strip(model)
    kept = {layer.name: layer for layer in slim.layers}
    if entry.folds:
        # Constants stay: a bias could not hold what rounded weights make of them.
        assert plain.count_params() <= slim.count_params() < model.count_params()
        return
    for layer in plain.layers:
        assert kept[layer.name].output.shape == layer.output.shape, layer.name


@pytest.mark.parametrize("entry", ENTRIES[::2], ids=str)
def test_saved_and_loaded_it_rounds_alike(entry: Entry, tmp_path: Any) -> None:
    slim = export.strip(_quantized(entry.name), keep_quantizers=True)
    slim.save(tmp_path / "slim.keras")
    again = keras.saving.load_model(tmp_path / "slim.keras", safe_mode=False)
    x = entry.inputs()
    for a, b in zip(alive.run(slim, x), alive.run(again, x), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("entry", ENTRIES[::4], ids=str)
def test_rounding_matters(entry: Entry) -> None:
    """Or else the laws above are empty."""
    model, x = _quantized(entry.name), entry.inputs()
    rounded = alive.run(model, x)
    with kd.quantizers.switched_off(model):
        exact = alive.run(model, x)
    assert alive.distance(exact, rounded) > 1e-4


def _conv_and_dense() -> kd.MaskedModel:
    inputs = keras.Input((6, 6, 2))
    h = keras.layers.Conv2D(8, 3, activation="relu", name="conv")(inputs)
    h = keras.layers.Dense(3, name="dense")(keras.layers.Flatten()(h))
    model = kd.mask_model(keras.Model(inputs, h), quantization="int8")
    (gate,) = kd.gates(model)
    gate.set_keep(np.arange(8) >= 3)
    return model


def test_no_scale_hangs_on_weights_that_the_strip_removes() -> None:
    """The largest weights of the Dense kernel read a closed channel."""
    model = _conv_and_dense()
    kernel = model.get_layer("dense").kernel
    value = keras.ops.convert_to_numpy(kernel).copy()
    value.reshape(16, 8, 3)[:, 0] = 50.0
    kernel.assign(value)
    x = np.random.default_rng(0).normal(size=(32, 6, 6, 2)).astype("float32")
    model(x, training=True)
    slim = export.strip(model, keep_quantizers=True)
    np.testing.assert_allclose(
        *(keras.ops.convert_to_numpy(one(x)) for one in (model, slim)), atol=1e-5
    )
    with kd.quantizers.switched_off(model):
        exact = keras.ops.convert_to_numpy(model(x))
    error = keras.ops.convert_to_numpy(model(x)) - exact
    assert np.sqrt(np.mean(error**2)) < 0.05 * np.sqrt(np.mean(exact**2))


def test_a_kernel_that_the_rules_bar_stays_as_it_is() -> None:
    """The last Dense reads an axis along which channels are mixed."""
    inputs = keras.Input((5, 6))
    h = keras.layers.Dense(8, "relu")(inputs)
    h = keras.layers.Permute((2, 1))(keras.layers.Dense(4, "relu")(h))
    model = kd.mask_model(
        keras.Model(inputs, keras.layers.Dense(3, name="barred")(h)),
        quantization=kd.quantizers.Quantization(delay=2),
    )
    (gate,) = kd.gates(model)
    gate.set_keep(np.arange(8) >= 3)
    x = np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")
    model(x, training=True)
    slim = export.strip(model, keep_quantizers=True)
    assert float(slim.get_layer("barred").quantizer.countdown) == 1.0
    model(x, training=True)
    slim = export.strip(model, keep_quantizers=True)
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-5


def test_a_kernel_without_units_takes_a_quantizer() -> None:
    """It gets no gate, whose units its equation would have to write."""
    inputs = keras.Input((6, 8))
    h = keras.layers.EinsumDense("abc,c->abc", (None, 8), name="scale")(inputs)
    h = keras.layers.Dense(4, "relu")(h)
    stock = keras.Model(inputs, keras.layers.Dense(2)(h))
    model = kd.mask_model(stock, quantization="int4")
    (gate,) = kd.gates(model)
    gate.set_keep(np.arange(4) >= 2)
    x = np.random.default_rng(0).normal(size=(16, 6, 8)).astype("float32")
    model(x, training=True)
    assert model.get_layer("scale").quantizer is not None
    slim = export.strip(model, keep_quantizers=True)
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-5
    quantized = kd.quantize_model(stock)
    assert isinstance(quantized.get_layer("scale"), kd.layers.MaskedEinsumDense)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(8),
        keras.layers.GRU(8, return_sequences=True),
        # No masked layer stands for one by itself: its widths stay alike.
        keras.layers.RNN(keras.layers.LSTMCell(8)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_both_directions_keep_the_quantizer_of_their_wrapper(layer: Any) -> None:
    keras.utils.set_random_seed(0)
    both = keras.layers.Bidirectional(layer, name="both")
    stock = keras.Sequential([keras.Input((5, 6)), both, keras.layers.Dense(2)])
    quantization = kd.quantizers.Quantization(weight_bits=4, delay=2)
    model = kd.mask_model(stock, quantization=quantization)
    kd.gates(model)[0].set_keep(np.arange(8) >= 4)
    x = np.random.default_rng(0).normal(size=(16, 5, 6)).astype("float32")
    for left in (2.0, 1.0, 0.0):
        slim = export.strip(model, keep_quantizers=True)
        assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-5
        inner = [one for one in slim.layers if "both" in one.name]
        counts = [float(one.quantizer.countdown) for one in inner if one.weights]
        assert counts == [left] * (1 if type(layer) is keras.layers.RNN else 2)
        model(x, training=True)


def test_training_goes_on_after_the_strip() -> None:
    model = _conv_and_dense()
    x = np.random.default_rng(0).normal(size=(32, 6, 6, 2)).astype("float32")
    model(x, training=True)
    slim = export.strip(model, keep_quantizers=True)
    slim.compile("sgd", "mse")
    before = slim.get_layer("dense").get_weights()[0]
    slim.fit(x, np.ones((32, 3)), epochs=1, verbose=0)
    assert np.any(slim.get_layer("dense").get_weights()[0] != before)
    assert any(isinstance(layer, FakeQuantize) for layer in slim.layers)
