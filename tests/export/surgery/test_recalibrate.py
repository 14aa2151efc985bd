"""`recalibrate` against the statistics that NumPy computes."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from tests.laws import alive


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


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(3.0, 2.0, shape).astype("float32")


def _check(norm: Any, h: np.ndarray) -> None:
    h = h.reshape(-1, h.shape[-1])
    mean, variance = map(alive.array, (norm.moving_mean, norm.moving_variance))
    np.testing.assert_allclose(mean, h.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(variance, h.var(axis=0), rtol=1e-3)


def test_norms_of_models_inside_of_the_model_follow_too() -> None:
    innermost = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()])
    inputs = keras.Input((4,))
    h = layers.BatchNormalization(name="norm")(innermost(inputs) * 2.0)
    inner = keras.Model(inputs, h, name="inner")
    model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])
    x = _normal(256, 4)
    found = export.recalibrate(model, x).get_layer("inner")
    first = found.get_layer(innermost.name).layers[0]
    _check(first, x)
    # The first adds its epsilon of 0.001 to the variance.
    scaled = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3) * 2.0
    _check(found.get_layer("norm"), scaled)
    np.testing.assert_array_equal(alive.array(innermost.layers[0].moving_mean), 0.0)


#: What is noise in training, and gives sequences of the shape that it gets.
NOISE = {
    "attention": lambda x: layers.MultiHeadAttention(2, 4, dropout=0.5)(x, x),
    "alpha_dropout": lambda x: layers.AlphaDropout(0.5)(x),
    "recurrent_dropout": lambda x: layers.SimpleRNN(
        8, return_sequences=True, dropout=0.5, recurrent_dropout=0.5
    )(x),
    "inner_dropout": lambda x: layers.TimeDistributed(layers.Dropout(0.5))(x),
    "inner_model": lambda x: keras.Sequential([layers.GaussianNoise(1.0)])(x),
}


@pytest.mark.parametrize("name", NOISE)
def test_no_noise_of_training_leaks(name: str) -> None:
    inputs = keras.Input((6, 8))
    h = NOISE[name](inputs)
    model = keras.Model(inputs, layers.BatchNormalization(name="norm")(h))
    x = _normal(256, 6, 8)
    found = export.recalibrate(model, x)
    _check(found.get_layer("norm"), alive.array(keras.Model(inputs, h)(x)))


def test_a_norm_that_is_called_twice_pools_its_calls() -> None:
    inputs, norm = keras.Input((4,)), layers.BatchNormalization(name="norm")
    far = layers.Rescaling(1.0, 10.0)(inputs)
    model = keras.Model(inputs, [norm(inputs), norm(far)])
    x = _normal(256, 4)
    found = export.recalibrate(model, x).get_layer("norm")
    _check(found, np.concatenate([x, x + 10.0]))


def test_what_is_held_at_inference_keeps_its_statistics() -> None:
    inputs = keras.Input((4,))
    base = keras.Model(inputs, layers.BatchNormalization(name="held")(inputs))
    frozen = layers.BatchNormalization(name="frozen", trainable=False)
    outer = keras.Input((4,))
    h = frozen(base(outer, training=False))
    model = keras.Model(outer, layers.BatchNormalization(name="norm")(h))
    x = _normal(256, 4)
    found = export.recalibrate(model, x)
    held = found.get_layer(base.name).get_layer("held")
    for norm in (held, found.get_layer("frozen")):
        np.testing.assert_array_equal(alive.array(norm.moving_mean), 0.0)
        np.testing.assert_array_equal(alive.array(norm.moving_variance), 1.0)
    _check(found.get_layer("norm"), x / 1.001)


def test_steps_that_are_masked_do_not_count() -> None:
    inputs = keras.Input((6, 3))
    h = layers.Masking()(inputs)
    model = keras.Model(inputs, layers.BatchNormalization(name="norm")(h))
    x = _normal(128, 6, 3)
    x[:, 4:] = 0.0
    _check(export.recalibrate(model, x).get_layer("norm"), x[:, :4])


def test_a_masked_model_draws_no_masks() -> None:
    inputs = keras.Input((4,))
    h = layers.Dense(6, "relu", name="first")(inputs)
    h = layers.Dense(5, name="second")(layers.BatchNormalization(name="norm")(h))
    model = keras.Model(inputs, layers.BatchNormalization(name="last")(h))
    masked = kd.mask_model(model, estimator=kd.estimators.HardConcrete())
    x = _normal(256, 4)
    found = export.recalibrate(masked, x)
    again = export.recalibrate(masked, x)
    for name in ("norm", "last"):
        one, other = (m.get_layer(name).moving_variance for m in (found, again))
        np.testing.assert_array_equal(alive.array(one), alive.array(other))


def test_a_norm_inside_of_another_layer_is_refused() -> None:
    inner = layers.TimeDistributed(layers.BatchNormalization(name="norm"), name="each")
    model = keras.Sequential([keras.Input((6, 4)), inner])
    with pytest.raises(UnsupportedModelError, match="'norm' inside of layer 'each'"):
        export.recalibrate(model, _normal(128, 6, 4))
    inner.layer.trainable = False
    export.recalibrate(model, _normal(128, 6, 4))


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
