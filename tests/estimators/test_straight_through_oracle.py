"""StraightThrough against its NumPy oracle: steps forward, surrogates backward."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask.estimators import StraightThrough
from keras_diffmask.estimators.straight_through import SURROGATES
from tests.reference import straight_through as oracle
from tests.reference.gradients import autodiff, central_differences

LOGITS = np.array(
    [-3, -1.2, -1, -0.9, -0.4, -0.2, -1e-6, 0, 1e-6, 0.3, 0.4, 0.6, 1, 1.1, 4.6],
    dtype="float32",
)
NOISE = np.linspace(0.02, 0.98, len(LOGITS)).astype("float32")


@pytest.fixture
def fixed_noise(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    def uniform(shape: Any, *_: Any, **__: Any) -> Any:
        return keras.ops.convert_to_tensor(NOISE.reshape(tuple(shape)))

    monkeypatch.setattr(keras.random, "uniform", uniform)
    return NOISE


def _away_from_jumps(surrogate: str) -> np.ndarray:
    jumps = np.array(oracle.JUMPS.get(surrogate, ()), dtype="float32")
    return ~np.isin(LOGITS, jumps)


def test_straight_through_has_an_oracle_for_every_surrogate() -> None:
    assert set(SURROGATES) == set(oracle.GRADIENTS)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_straight_through_forward_is_exactly_the_step(surrogate: str) -> None:
    estimator = StraightThrough(surrogate=surrogate)
    seed = keras.random.SeedGenerator(0)
    logits = keras.ops.convert_to_tensor(LOGITS)
    expected = oracle.decide(LOGITS)
    assert np.array_equal(estimator.sample(logits, seed), expected)
    assert np.array_equal(estimator.decide(logits), expected)
    assert np.array_equal(estimator.keep_probability(logits), expected)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_straight_through_bernoulli_forward_equals_oracle(
    surrogate: str, fixed_noise: np.ndarray
) -> None:
    estimator = StraightThrough(bernoulli=True, surrogate=surrogate)
    logits = keras.ops.convert_to_tensor(LOGITS)
    ours = estimator.sample(logits, keras.random.SeedGenerator(0))
    assert np.array_equal(ours, oracle.sample(LOGITS, fixed_noise))
    np.testing.assert_allclose(
        estimator.keep_probability(logits), oracle.sigmoid(LOGITS), atol=1e-6
    )
    assert np.array_equal(estimator.decide(logits), oracle.decide(LOGITS))


@pytest.mark.parametrize("bernoulli", [False, True])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_straight_through_gradient_is_that_of_the_surrogate(
    surrogate: str, bernoulli: bool, fixed_noise: np.ndarray
) -> None:
    estimator = StraightThrough(bernoulli=bernoulli, surrogate=surrogate)
    seed = keras.random.SeedGenerator(0)
    ours = autodiff(lambda a: estimator.sample(a, seed), LOGITS)
    smooth = _away_from_jumps(surrogate)
    expected = oracle.GRADIENTS[surrogate](LOGITS)
    np.testing.assert_allclose(ours[smooth], expected[smooth], atol=1e-6)
    # At a jump either side's value will do, and nothing else.
    low, high = (oracle.GRADIENTS[surrogate](LOGITS * f) for f in (0.999, 1.001))
    at = ~smooth
    assert np.all(
        np.isclose(ours[at], low[at], atol=1e-3)
        | np.isclose(ours[at], high[at], atol=1e-3)
        | ((ours[at] >= high[at]) & (ours[at] <= low[at]))
    )


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_straight_through_surrogate_integrates_its_stated_gradient(
    surrogate: str,
) -> None:
    """Differences of the function itself, so that a kink shows as well."""
    grid = np.array([-1.5, -0.95, -0.5, -0.21, 0.11, 0.39, 0.41, 0.8, 1.2])
    slope = central_differences(
        lambda a: np.asarray(SURROGATES[surrogate](a.astype("float32")), np.float64),
        grid,
        step=1e-3,
    )
    np.testing.assert_allclose(slope, oracle.GRADIENTS[surrogate](grid), atol=3e-3)
    edges = np.array([0.4, 1.0, -0.4, -1.0])
    below, above = (
        np.asarray(SURROGATES[surrogate]((edges * f).astype("float32")))
        for f in (1 - 1e-5, 1 + 1e-5)
    )
    np.testing.assert_allclose(below, above, atol=1e-4)  # no step left in it


def test_straight_through_deterministic_penalty_reaches_the_logits() -> None:
    estimator = StraightThrough(surrogate="identity")
    slope = autodiff(estimator.keep_probability, LOGITS)
    np.testing.assert_allclose(slope, np.ones_like(LOGITS))


@pytest.mark.parametrize("logit", [-2.0, 0.0, 0.7, 3.0])
def test_straight_through_bernoulli_frequency_within_four_sigma(logit: float) -> None:
    count = 40_000
    mask = np.asarray(
        StraightThrough(bernoulli=True).sample(
            keras.ops.full((count,), logit, dtype="float32"),
            keras.random.SeedGenerator(2),
        )
    )
    p = float(oracle.sigmoid(logit))
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert abs(mask.mean() - p) <= 4.0 * np.sqrt(p * (1 - p) / count)


def test_straight_through_never_draws_noise_when_deterministic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("noise was drawn")

    monkeypatch.setattr(keras.random, "uniform", forbidden)
    StraightThrough().sample(
        keras.ops.convert_to_tensor(LOGITS), keras.random.SeedGenerator(0)
    )
