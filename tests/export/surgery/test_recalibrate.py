"""`recalibrate` against the statistics that NumPy computes."""

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError


def _model() -> keras.Model:
    inputs = keras.Input((5,))
    h = keras.layers.Dense(4, bias_initializer="normal", name="first")(inputs)
    h = keras.layers.Dropout(0.5)(h)
    h = keras.layers.BatchNormalization(name="norm")(h)
    return keras.Model(inputs, keras.layers.Dense(2)(h))


def test_statistics_are_those_of_the_data_without_dropout() -> None:
    model = _model()
    x = np.random.default_rng(0).normal(1.0, 2.0, (300, 5)).astype("float32")
    before = [weight.copy() for weight in model.get_weights()]
    result = export.recalibrate(model, x, batch_size=50)
    kernel, bias = model.get_layer("first").get_weights()
    h = x @ kernel + bias
    norm = result.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, h.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, h.var(axis=0), rtol=1e-4)
    assert norm.momentum == 0.99
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_quantizers_go_on_where_they_were() -> None:
    """The copy that reads the data counts down; what comes back does not."""
    quantization = kd.quantizers.Quantization(delay=4)
    model = kd.mask_model(_model(), quantization=quantization)
    x = np.random.default_rng(0).normal(1.0, 2.0, (100, 5)).astype("float32")
    model(x, training=True)
    slim = export.strip(model, keep_quantizers=True)
    again = export.recalibrate(slim, x, batch_size=50)
    found = [float(one.countdown) for one in kd.quantizers.quantizers_of(again)]
    assert found == [3.0] * len(kd.quantizers.quantizers_of(slim))


@pytest.mark.parametrize(
    ("x", "received"),
    [
        (np.zeros((10, 5)), r"shape \(10, 5\)"),
        (np.zeros((256, 4)), r"shape \(256, 4\)"),
        (np.full((256, 5), np.nan), "NaN"),
    ],
)
def test_unusable_data_is_refused(x: np.ndarray, received: str) -> None:
    with pytest.raises(InvalidArgumentError, match=received):
        export.recalibrate(_model(), x)
