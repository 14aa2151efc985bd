"""GumbelSigmoid against its NumPy oracle: hard or soft, at every temperature."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators import GumbelSigmoid
from tests.reference import gumbel_sigmoid as oracle
from tests.reference.gradients import autodiff, central_differences
from tests.reference.hard_concrete import sigmoid

LOGITS = np.array([-4.6, -2.0, -0.5, 0.0, 0.3, 1.0, 2.5, 4.6], dtype="float32")
NOISE = np.array([1e-3, 0.1, 0.31, 0.52, 0.69, 0.9, 0.999], dtype="float32")
TEMPERATURES = [0.1, 2.0 / 3.0, 1.0, 5.0]


@pytest.fixture
def every_noise(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Every pair of a logit and a uniform number, by way of keras.random."""
    grid = np.tile(NOISE, (len(LOGITS), 1))

    def uniform(shape: Any, *_: Any, **__: Any) -> Any:
        return keras.ops.convert_to_tensor(grid.reshape(tuple(shape)))

    monkeypatch.setattr(keras.random, "uniform", uniform)
    return grid


def _grid() -> np.ndarray:
    return np.tile(LOGITS[:, None], (1, len(NOISE)))


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("hard", [True, False])
def test_gumbel_sigmoid_sample_equals_oracle(
    hard: bool, temperature: float, every_noise: np.ndarray
) -> None:
    estimator = GumbelSigmoid(hard, temperature)
    tensor = keras.ops.convert_to_tensor(_grid())
    ours = np.asarray(estimator.sample(tensor, keras.random.SeedGenerator(0)))
    if hard:
        assert np.array_equal(ours, oracle.hard(_grid(), every_noise, temperature))
        assert set(np.unique(ours)) == {0.0, 1.0}
    else:
        expected = oracle.soft(_grid(), every_noise, temperature)
        np.testing.assert_allclose(ours, expected, atol=5e-6)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("hard", [True, False])
def test_gumbel_sigmoid_gradient_is_that_of_the_soft_sample(
    hard: bool, temperature: float, every_noise: np.ndarray
) -> None:
    estimator = GumbelSigmoid(hard, temperature)
    seed = keras.random.SeedGenerator(0)
    ours = autodiff(lambda a: estimator.sample(a, seed), _grid())
    expected = oracle.gradient(_grid(), every_noise, temperature)
    np.testing.assert_allclose(ours, expected, atol=3e-5)
    differences = central_differences(
        lambda a: oracle.soft(a, every_noise, temperature), _grid()
    )
    np.testing.assert_allclose(expected, differences, atol=1e-6)


def test_gumbel_sigmoid_oracle_is_a_gumbel_softmax_of_two_classes() -> None:
    """The same distribution, by frequency and by mean."""
    rng, count = np.random.default_rng(0), 100_000
    u, v, w = rng.uniform(1e-9, 1.0 - 1e-9, (3, count))
    for logit, temperature in ((-1.0, 0.5), (0.7, 2.0)):
        logistic = oracle.soft(np.full(count, logit), u, temperature)
        gumbel = oracle.soft_by_two_classes(np.full(count, logit), v, w, temperature)
        quantiles = np.linspace(0.05, 0.95, 10)
        np.testing.assert_allclose(
            np.quantile(logistic, quantiles), np.quantile(gumbel, quantiles), atol=0.02
        )
        assert abs((gumbel > 0.5).mean() - sigmoid(logit)) < 4 * 0.5 / np.sqrt(count)


@pytest.mark.parametrize("hard", [True, False])
def test_gumbel_sigmoid_decision_and_probability_equal_oracle(hard: bool) -> None:
    estimator, logits = GumbelSigmoid(hard), keras.ops.convert_to_tensor(LOGITS)
    assert np.array_equal(estimator.decide(logits), oracle.decide(LOGITS))
    np.testing.assert_allclose(
        estimator.keep_probability(logits), sigmoid(LOGITS), atol=1e-6
    )
    slope = autodiff(estimator.keep_probability, LOGITS)
    np.testing.assert_allclose(slope, sigmoid(LOGITS) * sigmoid(-LOGITS), atol=1e-6)


def test_gumbel_sigmoid_temperature_follows_its_schedule(
    every_noise: np.ndarray,
) -> None:
    fall = schedules.Exponential(4.0, 0.25, steps=100)
    estimator = GumbelSigmoid(False, fall)
    assert estimator.is_scheduled and not GumbelSigmoid().is_scheduled
    tensor, seed = keras.ops.convert_to_tensor(_grid()), keras.random.SeedGenerator(0)
    for step, temperature in ((0, 4.0), (50, 1.0), (1000, 0.25)):
        ours = estimator.sample(tensor, seed, step)
        expected = oracle.soft(_grid(), every_noise, temperature)
        np.testing.assert_allclose(ours, expected, atol=1e-5)
    restored = GumbelSigmoid.from_config(estimator.get_config())
    assert restored.get_config() == estimator.get_config()


@pytest.mark.parametrize(
    "temperature",
    [0.0, -1.0, float("nan"), "hot", schedules.Linear(1.0, -0.1, steps=5)],
    ids=str,
)
def test_gumbel_sigmoid_raises_for_a_temperature_that_is_not_positive(
    temperature: Any,
) -> None:
    with pytest.raises(InvalidArgumentError, match="Expected temperature to be a .*"):
        GumbelSigmoid(temperature=temperature)


def test_gumbel_sigmoid_raises_when_gates_would_start_closed() -> None:
    with pytest.raises(InvalidArgumentError, match="start open; .*keep=0.4. Raise"):
        GumbelSigmoid(initial_keep=0.4)
