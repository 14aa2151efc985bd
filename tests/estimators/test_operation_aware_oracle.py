"""OperationAware against its NumPy oracle, and in a layer of its own."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import estimators, schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators import OperationAware
from tests.laws.masked_cases import array
from tests.reference import operation_aware as oracle
from tests.reference.gradients import autodiff, central_differences

GAMMA = np.array([1, 1, -1, 0.3, -0.02, 0, 0, 1e-4, 2, 0.5, 0.1], "float32")
BETA = np.array([0, -1.7, -1.5, 0.2, 0.01, 0.06, 0.04, 0.0, -9, 30, -0.3], "float32")
NOISE = np.linspace(0.02, 0.98, len(BETA)).astype("float32")


def _logits(gamma: Any, beta: Any, **arguments: Any) -> Any:
    return OperationAware(**arguments).logits_from(None, (gamma, beta))


def _tensors() -> tuple[Any, Any]:
    return keras.ops.convert_to_tensor(GAMMA), keras.ops.convert_to_tensor(BETA)


@pytest.fixture
def fixed_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    def uniform(shape: Any, *_: Any, **__: Any) -> Any:
        return keras.ops.convert_to_tensor(NOISE.reshape(tuple(shape)))

    monkeypatch.setattr(keras.random, "uniform", uniform)


def _sample(gamma: Any, beta: Any) -> Any:
    return OperationAware().sample(_logits(gamma, beta), keras.random.SeedGenerator(0))


def test_operation_aware_sample_equals_oracle(fixed_noise: None) -> None:
    expected = oracle.sample(GAMMA, BETA, NOISE.astype(np.float64))
    np.testing.assert_allclose(_sample(*_tensors()), expected, atol=2e-6)


def test_operation_aware_gradients_equal_oracle(fixed_noise: None) -> None:
    gamma, beta = _tensors()
    u, wide = NOISE.astype(np.float64), (GAMMA.astype(float), BETA.astype(float))
    estimator = OperationAware()
    for ours, theirs in (
        (_sample, lambda g, b: oracle.sample(g, b, u)),
        (
            lambda g, b: estimator.keep_probability(_logits(g, b)),
            lambda g, b: 1.0 - oracle.p_drop(g, b),
        ),
    ):
        slope = autodiff(lambda b, f=ours: f(gamma, b), BETA)
        expected = central_differences(lambda b, f=theirs: f(wide[0], b), wide[1])
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)
        assert np.any(slope > 0.01)
        slope = autodiff(lambda g, f=ours: f(g, beta), GAMMA)
        expected = central_differences(lambda g, f=theirs: f(g, wide[1]), wide[0])
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)
        assert np.all(slope[np.abs(GAMMA) < 1e-3] == 0.0)  # under the floor


def test_operation_aware_keeps_if_and_only_if_the_closed_form_says_so() -> None:
    rng = np.random.default_rng(0)
    gamma = np.concatenate([GAMMA, np.zeros(50), rng.normal(size=4000)])
    edge = 0.05 - 1.645 * np.abs(gamma)
    near = edge + rng.normal(scale=0.02, size=edge.shape)
    beta = np.where(rng.uniform(size=edge.shape) < 0.5, near, rng.normal(size=4061))
    gamma, beta = gamma.astype("float32"), beta.astype("float32")
    keep = array(OperationAware().decide(_logits(gamma, beta))).astype(bool)
    expected = oracle.stays(gamma, beta)
    assert np.array_equal(keep, expected)
    assert np.array_equal(keep, oracle.decide(gamma, beta).astype(bool))
    assert 0.2 < keep.mean() < 0.8
    # Without a floor the quantile decides at every gamma, as the authors have it.
    exact = array(OperationAware().decide(_logits(0.0 * gamma, beta, gamma_floor=1e-8)))
    assert np.array_equal(exact.astype(bool), beta >= 0.05)
    other = OperationAware(threshold=0.0, cutoff=0.5)
    logits = other.logits_from(None, (gamma, beta))
    assert np.array_equal(array(other.decide(logits)).astype(bool), beta >= 0.0)


def test_operation_aware_numbers_of_the_reference() -> None:
    estimator, one, zero = OperationAware(), np.ones(1), np.zeros(1)
    new, dead = (_logits(np.float32(1.0), np.float32(b)) for b in (0.0, -50.0))
    np.testing.assert_allclose(oracle.cdf(one, zero), 0.52, atol=1e-3)
    np.testing.assert_allclose(oracle.p_drop(one, zero), 1.8e-4, atol=5e-6)
    drop = 1.0 - float(estimator.keep_probability(new))
    np.testing.assert_allclose(drop, 1.8e-4, atol=5e-6)
    # Trap 2: a dead channel is on 27 % of the time while training.
    np.testing.assert_allclose(oracle.p_drop(one, zero - 50.0), 0.731, atol=1e-3)
    np.testing.assert_allclose(
        float(estimator.keep_probability(dead)), 0.269, atol=1e-3
    )
    seed = keras.random.SeedGenerator(1)
    on = array(estimator.sample(np.full(40_000, dead, "float32"), seed)) > 0.5
    assert abs(on.mean() - 0.269) < 0.009
    # Trap 3: the slope at the boundary, and that of a new layer.
    gamma = np.array([1.0, 0.1, 0.031], "float32")
    edge = (0.05 - 1.6448536 * gamma).astype("float32")
    slope = autodiff(lambda b: estimator.keep_probability(_logits(gamma, b)), edge)
    np.testing.assert_allclose(slope, 0.516 / gamma, rtol=2e-3)
    slope = autodiff(
        lambda b: estimator.keep_probability(_logits(one.astype("float32"), b)), zero
    )
    np.testing.assert_allclose(slope, 1.5e-3, rtol=0.05)


def test_operation_aware_ranks_where_the_cdf_is_all_ones_or_zeros() -> None:
    estimator = OperationAware()
    score = array(estimator.score(_logits(np.ones(4, "float32"), np.float32(range(4)))))
    assert np.all(np.diff(score) > 0)
    beta = np.array([-90.0, -80.0, 80.0, 90.0], "float32")
    logits = _logits(np.ones(4, "float32"), beta)
    assert np.all(np.diff(array(estimator.score(logits))) > 0)
    p = array(estimator.keep_probability(logits))
    assert p[0] == p[1] and p[2] == p[3]


def test_operation_aware_survives_json_with_its_schedule() -> None:
    fall = schedules.Exponential(2.0, 0.5, steps=10)
    estimator = OperationAware(temperature=fall, cutoff=0.9)
    config = keras.saving.serialize_keras_object(estimator)
    restored = estimators.get(json.loads(json.dumps(config)))
    assert restored.get_config() == estimator.get_config()
    assert restored.is_scheduled and "initial_keep" not in restored.get_config()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sharpness": 0.0}, "sharpness > 0; received sharpness=0.0"),
        ({"cutoff": 1.0}, r"cutoff in the open interval \(0, 1\)"),
        ({"temperature": -1.0}, "temperature to be a finite number > 0"),
        ({"gamma_floor": 0.0}, "gamma_floor > 0"),
        ({"threshold": float("nan")}, "a finite threshold"),
    ],
)
def test_operation_aware_raises_for_a_bad_constant(
    arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        OperationAware(**arguments)
