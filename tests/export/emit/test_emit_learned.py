"""Files written from what a model with quantizers learned in training."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import (
    ConversionError,
    InvalidArgumentError,
    UnsupportedModelError,
)
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.tflm import has_tflm, run_tflm

needs_tflm = pytest.mark.skipif(not has_tflm(), reason="tflite-micro is not installed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 10, 10, 3)).astype("float32")
Y = RNG.integers(0, 5, 256)


def _cnn() -> keras.Model:
    keras.utils.set_random_seed(3)
    x = keras.Input((10, 10, 3))
    h = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    h = skip = layers.ReLU()(layers.BatchNormalization()(h))
    h = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(h)
    h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
    h = layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(h))
    h = layers.ReLU()(layers.Add()([h, skip]))
    h = layers.Concatenate()([layers.MaxPooling2D(2)(h), layers.AveragePooling2D(2)(h)])
    h = layers.Dense(12, activation="relu")(layers.GlobalAveragePooling2D()(h))
    return keras.Model(x, layers.Dense(5, activation="softmax")(h))


def _trained(model: keras.Model, x: Any = X, y: Any = Y) -> keras.Model:
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=3, verbose=0)
    return model


@pytest.fixture(scope="module")
def slim() -> keras.Model:
    masked = kd.mask_model(
        _cnn(), budget=kd.Budget(macs=0.6), quantization=kd.quantizers.Quantization(
            per_channel_dense=False
        )
    )  # fmt: skip
    return export.strip(_trained(masked), keep_quantizers=True)


@pytest.fixture(scope="module")
def artifact(slim: keras.Model) -> export.Artifact:
    return export.to_tflite(slim, target="cortex-m")


def test_no_calibration_is_needed_and_no_float_is_left(
    artifact: export.Artifact,
) -> None:
    assert artifact.quantization == "int8"
    assert "QUANTIZE" not in artifact.ops and "DEQUANTIZE" not in artifact.ops
    assert artifact.ops.count("CONV_2D") == 2  # normalizations are folded


def test_the_file_computes_what_the_model_does(
    slim: keras.Model, artifact: export.Artifact
) -> None:
    x = np.random.default_rng(8).normal(size=(200, 10, 10, 3)).astype("float32")
    simulated = slim.predict(x, verbose=0)
    found = artifact.run(x, reference_kernels=True)
    steps = np.rint(np.abs(found - simulated) / artifact.outputs[0].scale)
    assert np.mean(steps == 0) >= 0.85 and steps.max() <= 1  # softmax is a table


def test_the_ranges_are_those_of_training(
    slim: keras.Model, artifact: export.Artifact
) -> None:
    layer = slim.layers[1]
    low, high = (float(keras.ops.convert_to_numpy(v)) for v in layer.limits())
    assert artifact.inputs[0].scale == pytest.approx((high - low) / 255, rel=1e-4)


def test_every_kernel_is_on_the_grid_it_was_trained_on(
    slim: keras.Model, artifact: export.Artifact
) -> None:
    """The integers of the file are those of the quantizer, not rounded again."""
    graph = read_subgraphs(artifact.content)[0]
    dense = next(op for op in graph.ops if op.name == "FULLY_CONNECTED")
    scale = graph.tensors[dense.inputs[1]].scale
    layer = next(x for x in slim.layers if isinstance(x, layers.Dense))
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    assert scale.size == 1
    assert scale[0] == pytest.approx(np.abs(kernel).max() / 127, rel=1e-5)


@needs_tflm
def test_tflm_and_the_reference_kernels_agree(artifact: export.Artifact) -> None:
    x = np.random.default_rng(9).normal(size=(20, 10, 10, 3)).astype("float32")
    (found,) = run_tflm(artifact, x)
    # Convolutions are equal bit for bit; TFLM's Dense kernel rounds twice where
    # LiteRT's rounds once (tests/export/verification/test_rounding.py).
    apart = np.abs(found - artifact.run(x, reference_kernels=True))
    assert apart.max() <= artifact.outputs[0].scale * 1.01


def test_quantize_model_alone_is_written_as_well() -> None:
    model = _trained(kd.quantize_model(_cnn()))
    artifact = export.to_tflite(model)
    found = artifact.run(X[:50], reference_kernels=True)
    steps = np.rint(
        np.abs(found - model.predict(X[:50], verbose=0)) / artifact.outputs[0].scale
    )
    assert steps.max() <= 1


def _sequences() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    keras.utils.set_random_seed(4)
    x = keras.Input((12, 6))
    h = layers.Conv1D(8, 3, padding="same", activation="relu")(x)
    h = layers.LSTM(9, return_sequences=True)(h)
    h = layers.Dense(8, activation="relu")(layers.LSTM(7)(h))
    model = keras.Model(x, layers.Dense(4, activation="softmax")(h))
    data = np.random.default_rng(5).normal(size=(256, 12, 6)).astype("float32")
    return model, data, np.random.default_rng(6).integers(0, 4, 256)


def test_an_lstm_takes_its_ranges_from_calibration() -> None:
    model, x, y = _sequences()
    masked = kd.mask_model(model, budget=kd.Budget(macs=0.6), quantization="int8")
    slim = export.strip(_trained(masked, x, y), keep_quantizers=True)
    with pytest.raises(ConversionError) as error:
        export.to_tflite(slim)
    names = ", ".join(repr(x.name) for x in slim.layers if isinstance(x, layers.LSTM))
    assert f"neither around {names}, for recurrent layers" in str(error.value)
    assert "Pass calibration=x[:256]" in str(error.value)
    artifact = export.to_tflite(slim, calibration=x[:128])
    assert artifact.ops.count("UNIDIRECTIONAL_SEQUENCE_LSTM") == 2
    assert artifact.quantization == "int8"
    found = artifact.run(x[:64], reference_kernels=True)
    simulated = slim.predict(x[:64], verbose=0)
    rms = np.sqrt(np.mean((found - simulated) ** 2) / np.mean(simulated**2))
    assert rms < 0.03


def test_a_separable_convolution_ends_twice_in_a_learned_range() -> None:
    x = keras.Input((10, 10, 3))
    h = layers.SeparableConv2D(4, 3, activation="sigmoid", name="two_in_one")(x)
    h = layers.Dense(5, activation="softmax")(layers.GlobalMaxPooling2D()(h))
    model = _trained(kd.quantize_model(keras.Model(x, h)))
    artifact = export.to_tflite(model)
    assert artifact.ops.count("DEPTHWISE_CONV_2D") == 1
    assert artifact.ops.count("CONV_2D") == 1
    found = artifact.run(X[:64], reference_kernels=True)
    steps = (found - model.predict(X[:64], verbose=0)) * 256
    assert np.mean(np.abs(steps) < 1.5) >= 0.99


def test_a_layer_of_several_operators_is_named() -> None:
    """Between its two convolutions nothing was rounded in training."""
    # With calibration it hangs on the weights whether the converter leaves a float.
    keras.utils.set_random_seed(1)
    x = keras.Input((10, 10, 3))
    quantized = kd.layers.MaskedSeparableConv2D(
        4, 3, name="two_in_one", quantizer="int8"
    )
    h = kd.layers.FakeQuantize()(quantized(kd.layers.FakeQuantize()(x)))
    h = layers.Dense(5, activation="softmax")(layers.GlobalMaxPooling2D()(h))
    model = _trained(keras.Model(x, h))
    model = export.strip(model, keep_quantizers=True)
    named = (
        r"neither inside of 'two_in_one' \(.*SeparableConv2D\).*Build it as two layers"
    )
    for calibration in (None, X[:64]):
        with pytest.raises(ConversionError, match=named):
            export.to_tflite(model, calibration=calibration)


def test_calibration_fills_in_what_was_not_learned() -> None:
    x = keras.Input((10, 10, 3))
    h = layers.Average(name="mean")([layers.Conv2D(4, 3)(x), layers.Conv2D(4, 3)(x)])
    h = layers.Dense(5, activation="softmax")(layers.GlobalMaxPooling2D()(h))
    model = _trained(kd.quantize_model(keras.Model(x, h)))
    named = r"neither inside of 'mean' \(Average\).*Pass calibration=x\[:256\]"
    with pytest.raises(ConversionError, match=named):
        export.to_tflite(model)
    assert export.to_tflite(model, calibration=X[:64]).quantization == "int8"


def test_what_is_not_learned_is_refused() -> None:
    quantized = kd.quantize_model(_cnn())
    with pytest.raises(UnsupportedModelError, match="ranges of activations"):
        export.to_tflite(quantized)


def test_masks_are_refused() -> None:
    masked = kd.mask_model(_cnn(), quantization="int8")
    with pytest.raises(UnsupportedModelError, match="keep_quantizers=True"):
        export.to_tflite(masked)


def test_another_quantization_is_refused(slim: keras.Model) -> None:
    with pytest.raises(InvalidArgumentError, match="has learned the integers"):
        export.to_tflite(slim, "float32")


@pytest.fixture(scope="module")
def four_bits() -> keras.Model:
    return _trained(kd.quantize_model(_cnn(), "int4"))


@pytest.mark.parametrize("target", ["host", "cortex-m"])
def test_four_bits_are_stored_in_four_bits(four_bits: keras.Model, target: str) -> None:
    artifact = export.to_tflite(four_bits, target=target)
    graph = read_subgraphs(artifact.content)[0]
    kinds = {
        op.name: graph.tensors[op.inputs[1]].dtype
        for op in graph.ops
        if op.name in ("CONV_2D", "FULLY_CONNECTED", "DEPTHWISE_CONV_2D")
    }
    # TFLM does not unpack Dense kernels of 4 bits with a scale per unit.
    dense = "INT4" if target == "host" else "INT8"
    assert kinds == {
        "CONV_2D": "INT4",
        "FULLY_CONNECTED": dense,
        "DEPTHWISE_CONV_2D": "INT8",
    }
    x = np.random.default_rng(8).normal(size=(100, 10, 10, 3)).astype("float32")
    simulated = four_bits.predict(x, verbose=0)
    for reference in (True, False):
        found = artifact.run(x, reference_kernels=reference)
        steps = np.rint(np.abs(found - simulated) / artifact.outputs[0].scale)
        assert np.mean(steps <= 1) >= 0.98 and steps.max() <= (1 if reference else 4)


@needs_tflm
def test_tflm_runs_four_bits(four_bits: keras.Model) -> None:
    artifact = export.to_tflite(four_bits, target="cortex-m")
    x = np.random.default_rng(9).normal(size=(10, 10, 10, 3)).astype("float32")
    (found,) = run_tflm(artifact, x)
    apart = np.abs(found - artifact.run(x, reference_kernels=True))
    assert apart.max() <= artifact.outputs[0].scale * 1.01
