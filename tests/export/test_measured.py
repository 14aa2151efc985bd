"""What `measure_dense` finds, and that a budget in bytes holds by it."""

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export


def _model() -> keras.Model:
    """Untrained: its biases are zero, and those of equal length equal."""
    convolution = {"padding": "same", "activation": "relu"}
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(48, 3, use_bias=False, name="stem")(inputs)
    x = keras.layers.ReLU(name="relu")(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.Conv2D(64, 3, name="wide", **convolution)(x)
    x = keras.layers.MaxPooling2D(name="pool")(x)
    x = keras.layers.Conv2D(64, 3, name="deep", **convolution)(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, keras.layers.Dense(10, name="head")(x), name="measured")


def _trained(model: keras.Model) -> keras.Model:
    """The model with weights that training would not have left equal."""
    noise = np.random.default_rng(1)
    model.set_weights(
        [
            w + noise.uniform(0, 0.1, w.shape).astype(w.dtype)
            for w in model.get_weights()
        ]
    )
    return model


@pytest.mark.slow
def test_an_untrained_model_is_measured_as_it_will_be() -> None:
    x = np.random.default_rng(0).random((64, 8, 8, 1), "float32")
    model = _model()
    before = [w.copy() for w in model.get_weights()]
    measured = export.measure_dense(model, x, arena=False)
    assert all(map(np.array_equal, before, model.get_weights()))

    budget = kd.Budget(flash="20 KiB", measured=measured)
    masked = kd.mask_model(_trained(model), budget=budget)
    kd.finalize(masked)
    foretold = kd.summary(masked, verbose=False).budgets[0].decided * measured.flash
    dense, file = (
        export.to_tflite(m, "int8", calibration=x, target="cortex-m").nbytes
        for m in (model, export.strip(masked))
    )
    assert measured.flash == pytest.approx(dense, abs=64)
    assert 0.95 * 20 * 1024 < file <= 20 * 1024
    assert file == pytest.approx(foretold, rel=0.01)
