"""SoftThreshold against its NumPy oracle, and what it does in layers and models."""

import json
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import layers, regularizers, schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators import SoftThreshold
from tests.laws.masked_cases import array
from tests.reference import soft_threshold as oracle
from tests.reference.gradients import autodiff, central_differences

SHARP = [1.0, 5.0, 20.0, 50.0, 1e4]
RATIOS = np.array(
    [-4.0, -1.3, -1.01, -0.9, -0.2, -1e-7, 1e-20, 1e-4, 0.5, 0.97, 1.1, 1.5, 2.0, 1e6]
)


def _shrunk(w: Any, log_t: Any, sharpness: float = 20.0) -> Any:
    """mask * w, as a masked layer computes it."""
    estimator = SoftThreshold(sharpness=sharpness)
    logits = estimator.logits_from(log_t, (w,))
    return estimator.sample(logits, keras.random.SeedGenerator(0)) * w


def _tensor(values: Any) -> Any:
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


@pytest.mark.parametrize("t", [1.0, 0.01, 30.0])
@pytest.mark.parametrize("sharpness", SHARP)
def test_soft_threshold_shrinks_as_the_oracle(sharpness: float, t: float) -> None:
    w = (RATIOS * t).astype("float32").astype(np.float64)
    ours = array(_shrunk(_tensor(w), np.float32(np.log(t)), sharpness))
    with np.errstate(over="ignore"):
        expected = oracle.shrink(w, t, sharpness / t)
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=t * 2e-6 * sharpness)
    assert np.all(np.abs(ours) <= np.abs(w))


@pytest.mark.parametrize("t", [1.0, 0.01])
@pytest.mark.parametrize("sharpness", SHARP[:-1])
def test_soft_threshold_gradients_equal_the_oracle(sharpness: float, t: float) -> None:
    w, log_t = (RATIOS[:-1] * t).astype("float32"), np.float32(np.log(t))
    alpha, wide = sharpness / t, w.astype(np.float64)
    ours = autodiff(lambda v: _shrunk(v, log_t, sharpness), w)
    expected = oracle.weight_slope(wide, t, alpha)
    # float32 rounds (|w| - t) / t, and the slope turns by A / 4 within 1 / A.
    tight = {"rtol": 1e-4, "atol": 1e-4 * sharpness}
    np.testing.assert_allclose(ours, expected, **tight)
    steps = central_differences(lambda v: oracle.shrink(v, t, alpha), wide, 1e-6 * t)
    np.testing.assert_allclose(expected, steps, rtol=1e-5, atol=1e-6)

    by_log = autodiff(
        lambda v: _shrunk(_tensor(w), v, sharpness), np.full(w.shape, log_t)
    )
    wanted = t * oracle.relative_threshold_slope(wide, t, alpha)
    np.testing.assert_allclose(by_log / t, wanted / t, **tight)
    steps = central_differences(
        lambda v: oracle.shrink(wide, np.exp(v), sharpness / np.exp(v)),
        np.full(w.shape, np.log(t)),
    )
    np.testing.assert_allclose(wanted / t, steps / t, rtol=1e-5, atol=1e-5)


def test_soft_threshold_oracle_slope_at_a_fixed_alpha_is_its_own_derivative() -> None:
    w = np.array([-1.3, -0.4, 0.2, 0.7, 1.4])
    steps = central_differences(lambda t: oracle.shrink(w, t, 7.0), np.ones(5))
    np.testing.assert_allclose(oracle.threshold_slope(w, 1.0, 7.0), steps, atol=1e-6)


def test_soft_threshold_values_of_the_reference() -> None:
    w = np.array([0.5, 1.0, 2.0])
    expected = [0.0753, 0.5000, 1.9933]
    np.testing.assert_allclose(oracle.shrink(w, 1.0, 5.0), expected, atol=5e-5)
    np.testing.assert_allclose(_shrunk(_tensor(w), 0.0, 5.0), expected, atol=6e-5)
    w = np.array([0.5, 0.9, 1.1, 1.5])
    expected = [0.0, 0.1192, 0.9808, 1.5]
    np.testing.assert_allclose(oracle.shrink(w, 1.0, 20.0), expected, atol=6e-5)
    np.testing.assert_allclose(_shrunk(_tensor(w), 0.0, 20.0), expected, atol=6e-5)
    # Trap 1: a small threshold at a fixed alpha is a poor one, sharpness 1.
    w, log_t = np.array([0.005, 0.02]), np.float32(np.log(0.01))
    ratios = array(_shrunk(_tensor(w), log_t, 1.0)) / [0.01, 0.02]
    np.testing.assert_allclose(ratios, [0.195, 0.84], atol=5e-3)
    ratios = oracle.shrink(w, 0.01, 100.0) / [0.01, 0.02]
    np.testing.assert_allclose(ratios, [0.195, 0.84], atol=5e-3)
    # Trap 2: the spike at |w| = t, and trap 3: what is frozen well below it.
    around = np.array([1.0 - 1e-5, 1.0 + 1e-5], "float32")
    for sharpness in (5.0, 20.0):
        slope = autodiff(lambda v, a=sharpness: _shrunk(v, 0.0, a), around)
        np.testing.assert_allclose(slope.mean(), 0.5 + sharpness / 4, rtol=1e-3)
    frozen = autodiff(lambda v: _shrunk(v, 0.0, 50.0), np.full(1, 0.5))
    np.testing.assert_allclose(frozen / 50.0, 1.4e-11, rtol=0.05)


def test_soft_threshold_oracle_has_both_thresholdings_as_limits() -> None:
    w = np.array([-2.0, -0.6, 0.3, 0.9, 1.2, 3.0])
    soft = np.sign(w) * np.maximum(np.abs(w) - 1.0, 0.0)
    np.testing.assert_allclose(oracle.shrink(w, 1.0, 0.0), soft, atol=1e-12)
    hard = w * oracle.decide(w, 1.0)
    np.testing.assert_allclose(oracle.shrink(w, 1.0, 1e4), hard, atol=1e-12)
    np.testing.assert_allclose(_shrunk(_tensor(w), 0.0, 1e4), hard, 1e-6, 1e-12)


def test_soft_threshold_at_zero_and_at_the_ends_is_finite() -> None:
    w = _tensor([0.0, 1e-38, 1.0, 1e30, -0.0])
    for log_t in SoftThreshold.logit_range:
        for sharpness in (1e-3, 20.0, 1e6):
            slope = autodiff(lambda v, a=sharpness, t=log_t: _shrunk(v, t, a), array(w))
            assert np.all(np.isfinite(slope))
            assert np.all(np.isfinite(array(_shrunk(w, log_t, sharpness))))


def test_soft_threshold_decides_and_counts_as_the_oracle() -> None:
    estimator, t = SoftThreshold(), 0.25
    w = np.array([-1.0, -0.2501, -0.25, -0.2499, 0.0, 0.2, 0.25, 0.2501], "float32")
    logits = estimator.logits_from(np.float32(np.log(t)), (_tensor(w),))
    expected = oracle.decide(w.astype(np.float64), t)
    assert np.array_equal(array(estimator.decide(logits)), expected)
    assert np.array_equal(array(estimator.keep_probability(logits)), expected)
    slope = autodiff(estimator.keep_probability, array(logits)[[0, 1, 3]])
    p = 1.0 / (1.0 + np.exp(-array(logits)[[0, 1, 3]]))
    np.testing.assert_allclose(slope, p * (1.0 - p), rtol=1e-5)


def _dense(**arguments: Any) -> Any:
    arguments = {"granularity": "weight", **arguments}
    layer = layers.MaskedDense(4, estimator=SoftThreshold(), **arguments)
    layer.build((None, 6))
    return layer


def test_soft_threshold_starts_below_every_weight_of_its_layer() -> None:
    layer = _dense()
    (log_t,) = [v for v in layer.trainable_weights if v.name == "gate_logits"]
    assert tuple(log_t.shape) == ()
    sizes = np.abs(array(layer.kernel))
    np.testing.assert_allclose(np.exp(array(log_t)), sizes.min() / 2, rtol=1e-5)
    assert layer.gate.keep.all()
    layer.kernel.assign(np.where(sizes == sizes.max(), 0.0, array(layer.kernel)))
    layer.gate.restart()  # a weight of 0 does not count
    np.testing.assert_allclose(np.exp(array(log_t)), sizes.min() / 2, rtol=1e-5)
    assert layer.gate.keep.sum() == 23


def test_soft_threshold_penalties_push_the_threshold_up() -> None:
    names = ("l0", "log_threshold")
    # A gate does not keep the layer that it reads alive.
    made = [_dense(gate_regularizer=regularizers.get(name)) for name in names]
    gates = {name: layer.gate for name, layer in zip(names, made, strict=True)}
    for gate in gates.values():
        gate.regularizer.strength = 0.5
        log_t = array(gate.raw_logits)
        slope = autodiff(lambda raw, gate=gate: _penalty_at(gate, raw), log_t)
        assert slope < 0.0
    value = regularizers.LogThreshold(0.5)(gates["log_threshold"])
    log_t = array(gates["log_threshold"].raw_logits)
    np.testing.assert_allclose(float(value), -0.5 * 24 * log_t, rtol=1e-5)
    np.testing.assert_allclose(slope, -12.0, rtol=1e-5)  # strength * weights
    assert float(regularizers.L0(0.5)(gates["l0"])) == 12.0


def _penalty_at(gate: Any, raw: Any) -> Any:
    with keras.StatelessScope(state_mapping=[(gate.raw_logits, raw)]):
        return gate.regularizer(gate)


def test_soft_threshold_trains_weights_and_threshold_of_a_model() -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8)).astype("float32")
    y = x[:, :2] @ np.array([[1.0], [-1.0]], "float32")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    # As far from the solution under every backend, whatever that draws.
    model.layers[0].kernel.assign(np.resize([0.3, -0.3, 0.2, -0.2], (8, 1)))
    estimator = SoftThreshold(initial_threshold=0.01, sharpness=10.0)
    masked = kd.mask_model(
        model, estimator, granularity="weight", gate_regularizer=regularizers.L0(0.02)
    )
    masked.compile(keras.optimizers.Adam(0.03), "mse")
    masked.fit(x, y, epochs=20, verbose=0)
    (gate,) = kd.gates(masked)
    assert gate.keep.ravel().tolist() == [True, True] + 6 * [False]
    assert masked.evaluate(x, y, verbose=0) - sum(map(float, masked.losses)) < 0.01


def test_soft_threshold_model_starts_at_the_original_and_can_be_set() -> None:
    inputs = keras.Input((6, 6, 2))
    h = keras.layers.Conv2D(3, 3, activation="relu")(inputs)
    h = keras.layers.Dense(4)(keras.layers.Flatten()(h))
    model = keras.Model(inputs, h)
    x = np.random.default_rng(1).normal(size=(3, 6, 6, 2)).astype("float32")
    masked = kd.mask_model(model, "soft_threshold", granularity="weight")
    assert np.array_equal(array(model(x)), array(masked(x)))
    assert masked.count_params() > model.count_params()
    gate = kd.gates(masked)[1]
    keep = np.random.default_rng(2).uniform(size=gate.mask_shape) < 0.5
    gate.set_keep(keep)
    model.layers[-1].kernel.assign(array(model.layers[-1].kernel) * keep)
    assert np.array_equal(array(model(x)), array(masked(x)))
    gate.set_keep(None)
    assert gate.keep.all()


def test_soft_threshold_survives_json_with_its_schedule() -> None:
    ramp = schedules.Linear(10.0, 50.0, steps=100)
    estimator = SoftThreshold(initial_threshold=0.1, sharpness=ramp)
    config = keras.saving.serialize_keras_object(estimator)
    restored = kd.estimators.get(json.loads(json.dumps(config)))
    assert restored.get_config() == estimator.get_config()
    assert restored.is_scheduled and "initial_keep" not in restored.get_config()
    at = [array(restored.sample(_tensor(0.01), None, step)) for step in (0.0, 100.0)]
    expected = [oracle.shrink(np.exp(0.01), 1.0, a) / np.exp(0.01) for a in (10, 50)]
    np.testing.assert_allclose(at, expected, rtol=1e-4)


@pytest.mark.parametrize("value", [0, 0.0, -0.5, float("nan"), float("inf"), "a", True])
def test_soft_threshold_raises_for_a_threshold_that_crosses_zero(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="threshold that crosses zero"):
        SoftThreshold(initial_threshold=value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), None])
def test_soft_threshold_raises_for_a_bad_sharpness(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="sharpness"):
        SoftThreshold(sharpness=value)


def test_soft_threshold_is_for_single_weights() -> None:
    sentence = "SoftThreshold acts on 'one': 'weight'; received granularity='channel'"
    with pytest.raises(InvalidArgumentError, match=sentence):
        layers.MaskedDense(3, estimator="soft_threshold", name="one")
    with pytest.raises(InvalidArgumentError, match="LogThreshold is a penalty for"):
        layers.MaskedDense(3, gate_regularizer="log_threshold").build((None, 2))
