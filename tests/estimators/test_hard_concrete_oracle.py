"""HardConcrete against its NumPy oracle, and the numbers of the paper's code."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import schedules
from keras_diffmask.estimators import HardConcrete
from tests.reference import hard_concrete as oracle
from tests.reference.gradients import autodiff, central_differences

# The author-style gate closes and opens fully at -+2.398, the median at -+1.599.
EDGES = [-2.398, -1.599, 0.0, 1.599, 2.398]
LOGITS = np.array([-4.6, -3.0, *EDGES, 3.0, 4.6], dtype="float32")
NOISE = np.array([1e-6, 1e-3, 0.1, 0.31, 0.5, 0.69, 0.9, 0.999, 1 - 1e-6], "float32")
CONSTANTS = [
    {},
    {"temperature": 0.5, "stretch_low": -0.2, "stretch_high": 1.3},
    {"temperature": 1.0},
]


def _oracle_constants(constants: dict[str, float]) -> dict[str, float]:
    names = {"temperature": "beta", "stretch_low": "gamma", "stretch_high": "zeta"}
    return {names[key]: value for key, value in constants.items()}


@pytest.fixture
def every_noise(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Every pair of a logit and a uniform number, by way of keras.random."""
    grid = np.tile(NOISE, (len(LOGITS), 1))

    def uniform(shape: Any, *_: Any, **__: Any) -> Any:
        return keras.ops.convert_to_tensor(grid.reshape(tuple(shape)))

    monkeypatch.setattr(keras.random, "uniform", uniform)
    return grid


@pytest.mark.parametrize("constants", CONSTANTS, ids=str)
def test_hard_concrete_sample_equals_oracle(
    constants: dict[str, float], every_noise: np.ndarray
) -> None:
    logits = np.tile(LOGITS[:, None], (1, len(NOISE)))
    ours = HardConcrete(**constants).sample(
        keras.ops.convert_to_tensor(logits), keras.random.SeedGenerator(0)
    )
    expected = oracle.sample(logits, every_noise, **_oracle_constants(constants))
    np.testing.assert_allclose(ours, expected, atol=2e-6)
    # Not only close: the paper's point is that the gates are exactly 0 and 1.
    assert {0.0, 1.0} <= set(np.asarray(ours).ravel().tolist())


@pytest.mark.parametrize("constants", CONSTANTS, ids=str)
def test_hard_concrete_sample_gradient_equals_oracle(
    constants: dict[str, float], every_noise: np.ndarray
) -> None:
    estimator = HardConcrete(**constants)
    logits = np.tile(LOGITS[:, None], (1, len(NOISE)))
    seed = keras.random.SeedGenerator(0)
    ours = autodiff(lambda a: estimator.sample(a, seed), logits)
    renamed = _oracle_constants(constants)
    expected = oracle.sample_gradient(logits, every_noise, **renamed)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    differences = central_differences(
        lambda a: oracle.sample(a, every_noise, **renamed), logits
    )
    np.testing.assert_allclose(expected, differences, atol=1e-6)
    assert np.any(ours > 0.1)
    # Where the clip saturates nothing flows: exactly 0, and only the penalty acts.
    saturated = oracle.sample(logits, every_noise, **renamed) % 1.0 == 0.0
    assert np.any(saturated) and not np.any(ours[saturated])


@pytest.mark.parametrize("rule", ["mean", "median"])
@pytest.mark.parametrize("constants", CONSTANTS, ids=str)
def test_hard_concrete_decision_equals_oracle(
    constants: dict[str, float], rule: str
) -> None:
    ours = HardConcrete(inference_rule=rule, **constants).decide(LOGITS)
    expected = oracle.decide(LOGITS, rule, **_oracle_constants(constants))
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("constants", CONSTANTS, ids=str)
def test_hard_concrete_keep_probability_and_its_gradient_equal_oracle(
    constants: dict[str, float],
) -> None:
    estimator, renamed = HardConcrete(**constants), _oracle_constants(constants)
    ours = estimator.keep_probability(keras.ops.convert_to_tensor(LOGITS))
    expected = oracle.keep_probability(LOGITS, **renamed)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    slope = autodiff(estimator.keep_probability, LOGITS)
    np.testing.assert_allclose(slope, expected * (1 - expected), atol=1e-6)
    differences = central_differences(
        lambda a: oracle.keep_probability(a, **renamed), LOGITS
    )
    np.testing.assert_allclose(slope, differences, atol=1e-6)


def test_hard_concrete_thresholds_are_those_of_the_reference() -> None:
    mean, median = HardConcrete(), HardConcrete(inference_rule="median")
    closing = np.array([-2.3985, -2.397], "float32")
    assert np.asarray(mean.decide(closing)).tolist()[0] == 0.0
    assert np.asarray(mean.decide(closing))[1] > 0.0
    assert np.asarray(mean.decide(-closing)).tolist()[0] == 1.0
    assert np.asarray(mean.decide(-closing))[1] < 1.0
    halfway = np.array([-1.5995, -1.598], "float32")
    assert np.asarray(median.decide(halfway))[0] == 0.0
    assert np.asarray(median.decide(halfway))[1] > 0.0
    # P(mask != 0) = sigmoid(a + 1.5986): 1/2 where the median rule closes, and
    # still 0.31 where the mean rule does.
    at = np.array([0.0, -1.5986, -2.398], "float32")
    np.testing.assert_allclose(
        mean.keep_probability(at),
        [1.0 / (1.0 + np.exp(-1.5986)), 0.5, 0.31],
        atol=1e-3,
    )
    # The initial values that the papers quote, as the mean rule sees them.
    drop = np.array([0.5, 0.2, 0.3])
    np.testing.assert_allclose(
        mean.decide((np.log(1 - drop) - np.log(drop)).astype("float32")),
        [0.5, 0.86, 0.74],
        atol=1e-3,
    )
    neuron_selection = np.ones(1, "float32")
    np.testing.assert_allclose(mean.decide(neuron_selection), 0.777, atol=1e-3)
    np.testing.assert_allclose(
        mean.keep_probability(neuron_selection), 0.931, atol=1e-3
    )


def test_hard_concrete_default_starts_exactly_open() -> None:
    estimator = HardConcrete()
    start = np.float32(estimator.initial_logit())
    assert start >= 2.4
    assert float(estimator.decide(start)) == 1.0
    np.testing.assert_allclose(
        oracle.keep_probability(start), estimator.initial_keep, atol=1e-6
    )


@pytest.mark.parametrize("logit", [-2.398, -1.0, 0.0, 2.0])
def test_hard_concrete_frequencies_of_zero_and_one_within_four_sigma(
    logit: float,
) -> None:
    count = 40_000
    mask = np.asarray(
        HardConcrete().sample(
            keras.ops.full((count,), logit, dtype="float32"),
            keras.random.SeedGenerator(1),
        )
    )
    for observed, p in (
        ((mask != 0).mean(), float(oracle.keep_probability(logit))),
        ((mask == 1).mean(), float(oracle.full_probability(logit))),
    ):
        assert abs(observed - p) <= 4.0 * np.sqrt(p * (1 - p) / count)


def test_hard_concrete_temperature_follows_its_schedule(
    every_noise: np.ndarray,
) -> None:
    fall = schedules.Linear(1.0, 0.5, steps=100)
    estimator = HardConcrete(temperature=fall, inference_rule="median")
    assert estimator.is_scheduled and not HardConcrete().is_scheduled
    logits = np.tile(LOGITS[:, None], (1, len(NOISE)))
    tensor, seed = keras.ops.convert_to_tensor(logits), keras.random.SeedGenerator(0)
    for step, beta in ((0, 1.0), (50, 0.75), (1000, 0.5)):
        for ours, expected in (
            (
                estimator.sample(tensor, seed, step),
                oracle.sample(logits, every_noise, beta),
            ),
            (
                estimator.decide(tensor, step),
                oracle.decide(logits, "median", beta),
            ),
            (
                estimator.keep_probability(tensor, step),
                oracle.keep_probability(logits, beta),
            ),
        ):
            np.testing.assert_allclose(ours, expected, atol=2e-6)
    start = estimator.keep_probability(np.float32(estimator.initial_logit()), 0.0)
    np.testing.assert_allclose(start, estimator.initial_keep, atol=1e-6)
    restored = HardConcrete.from_config(estimator.get_config())
    assert restored.get_config() == estimator.get_config()
