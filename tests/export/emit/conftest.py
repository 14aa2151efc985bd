"""Small models, and a conversion without the child process."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_diffmask import targets


def draw(*shape):
    """Calibration-like inputs: 128 examples."""
    return np.random.default_rng(1).standard_normal((128, *shape)).astype("float32")


def build_cnn():
    """Conv, BN with statistics of its own, ReLU, residual Add, depthwise, Dense."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    inputs = keras.Input((10, 10, 3))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    skip = x
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    x = layers.Add()([x, skip])
    x = layers.DepthwiseConv2D(3, strides=2, activation="relu6")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(8, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(5)(x), name="cnn")
    shake(model)
    return model


def build_lstm():
    """Two stacked LSTMs of odd sizes, inputs != units, random biases."""
    keras.utils.set_random_seed(8)
    inputs = keras.Input((9, 7))
    x = keras.layers.LSTM(11, return_sequences=True)(inputs)
    x = keras.layers.LSTM(5)(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x), name="stack")
    shake(model)
    return model


def shake(model):
    """Moves every weight off its initial value (zero biases hide mistakes)."""
    generator = np.random.default_rng(2)
    for variable in model.variables:
        value = keras.ops.convert_to_numpy(variable)
        noise = 0.1 * generator.standard_normal(value.shape)
        # A variance stays positive.
        variable.assign(
            value + (np.abs(noise) if "variance" in variable.path else noise)
        )


@pytest.fixture
def private_tmp(tmp_path, monkeypatch):
    """Every temporary file lands here, so that a test can look for leftovers."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return Path(folder)


@pytest.fixture
def convert_here(monkeypatch):
    """Converts in this process: seconds cheaper than `to_tflite`, same steps.

    Returns a function (model, samples, quantization, repair, ...) -> artifact
    with its agreement. The model is used up: its layers are swapped.
    """
    return _in_process(monkeypatch)


@pytest.fixture(scope="module")
def convert_once():
    """`convert_here` for fixtures that all tests of a module share."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield _in_process(monkeypatch)


def _in_process(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the converter side needs the TensorFlow backend")
    from dataclasses import replace

    from keras_diffmask.export.artifact import Artifact
    from keras_diffmask.export.emit import tensorflow_side
    from keras_diffmask.export.emit.agreement import measure_agreement
    from keras_diffmask.export.emit.checks import check_content
    from keras_diffmask.export.emit.repair import repair as repair_content
    from tests import own_calibrator

    own_calibrator.give(monkeypatch)

    def convert(
        model,
        samples,
        quantization="int8",
        repair=True,
        steps=None,
        streaming=False,
        target=targets.CORTEX_M,
        io=None,
    ):
        samples = samples if isinstance(samples, list) else [samples]
        prepared = tensorflow_side.prepare_model(model, samples, steps, streaming)
        written = tensorflow_side.convert(prepared, quantization, samples, target, io)
        content = written.content
        if repair:
            content = repair_content(content, written.fused)
            check_content(content, quantization, target, written.fused, io)
        artifact = Artifact.from_content(content, model.name, target.name)
        agreement = measure_agreement(artifact, samples, prepared.reference)
        return replace(artifact, agreement=agreement)

    return convert


@pytest.fixture(scope="session")
def zoo():
    """Name -> (builder, calibration data): what the emit laws are held to."""
    return {"cnn": (build_cnn, draw(10, 10, 3)), "lstm": (build_lstm, draw(9, 7))}
