"""What every estimator of the registry promises, whatever its paper."""

import json
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import estimators
from keras_diffmask.errors import InvalidArgumentError
from tests.laws.masked_cases import (
    ESTIMATORS,
    INDEPENDENT_ESTIMATORS,
    array,
    closed_logit,
    make_estimator,
)
from tests.reference.gradients import autodiff

every_estimator = pytest.mark.parametrize("key", ESTIMATORS)
every_independent = pytest.mark.parametrize("key", INDEPENDENT_ESTIMATORS)
#: Those with a probability to start at; others have a start of their own.
WITH_INITIAL_KEEP = [
    key for key in ESTIMATORS if "initial_keep" in make_estimator(key).get_config()
]
EPSILON = 1e-6


def _sample(estimator: Any, logits: np.ndarray, seed: int = 0) -> np.ndarray:
    tensor = keras.ops.convert_to_tensor(logits.astype("float32"))
    drawn = estimator.sample(tensor, keras.random.SeedGenerator(seed))
    return keras.ops.convert_to_numpy(drawn)


def _grid(estimator: Any) -> np.ndarray:
    low, high = closed_logit(estimator), estimator.logit_range[1]
    return np.linspace(low, high, 41).astype("float32")


@every_estimator
def test_estimator_starts_inside_its_range_with_the_gate_exactly_open(key: str) -> None:
    estimator = make_estimator(key)
    start = np.float32(estimator.initial_logit())
    low, high = estimator.logit_range
    assert low < start < high
    assert estimator.initial_gate() == 1.0
    if key in WITH_INITIAL_KEEP:
        assert float(estimator.decide(start)) == 1.0


@every_independent
def test_estimator_decision_is_in_range_monotone_and_reaches_both_ends(
    key: str,
) -> None:
    estimator = make_estimator(key)
    decision = np.asarray(estimator.decide(_grid(estimator)))
    assert decision.dtype == np.float32
    assert np.all(np.diff(decision) >= 0.0)
    grid = keras.ops.convert_to_tensor(_grid(estimator))
    scale = array(estimator.scale(grid))
    one = np.broadcast_to(scale, decision.shape)
    assert decision[0] == 0.0 and decision[-1] == one[-1]


#: Constants at the edges of what estimators take: every gate can close and open.
ODD_CONSTANTS: list[tuple[str, dict[str, Any]]] = [
    ("hard_concrete", {"temperature": 2.0, "inference_rule": "median"}),
    ("hard_concrete", {"temperature": 0.01, "inference_rule": "median"}),
    ("hard_concrete", {"temperature": 30.0, "inference_rule": "median"}),
    (
        "hard_concrete",
        {
            "temperature": kd.schedules.Linear(0.2, 3.0, steps=9),
            "inference_rule": "median",
        },
    ),
    ("hard_concrete", {"stretch_low": -0.005}),
    ("hard_concrete", {"stretch_low": -1e-6}),
    ("hard_concrete", {"stretch_low": -50.0}),
    ("hard_concrete", {"stretch_high": 1.001}),
    ("hard_concrete", {"stretch_high": 80.0}),
    ("straight_through", {"initial_keep": 0.501}),
    ("straight_through", {"bernoulli": True, "initial_keep": 0.98}),
    ("gumbel_sigmoid", {"temperature": 50.0}),
    ("gumbel_sigmoid", {"temperature": 0.01, "hard": False}),
    ("differentiable_mask", {"threshold": 0.999}),
    ("differentiable_mask", {"threshold": 1e-6}),
    ("differentiable_mask", {"form": "mask", "width": 1.001, "threshold": 0.99}),
    ("differentiable_mask", {"form": "mask", "width": 100.0}),
    ("soft_threshold", {"initial_threshold": 1e-3, "sharpness": 1e4}),
    ("operation_aware", {"cutoff": 1 - 1e-9}),
    ("operation_aware", {"cutoff": 1e-9}),
]


@pytest.mark.parametrize(("name", "constants"), ODD_CONSTANTS, ids=str)
def test_every_gate_can_close_and_open_within_its_range(
    name: str, constants: dict[str, Any]
) -> None:
    estimator = estimators.get(estimators.ALL_OBJECTS[name](**constants))
    low, high = estimator.logit_range
    # The scale of a differentiable mask closes a gate in the middle of its range.
    closed = 0.0 if name == "differentiable_mask" else low
    for step in (0, 4, 9):
        assert float(estimator.decide(np.float32(closed), step)) == 0.0
        opened = keras.ops.convert_to_tensor(np.float32(high))
        one = np.asarray(estimator.scale(opened, step))
        assert float(estimator.decide(np.float32(high), step)) == float(one)
    again = estimators.get(keras.saving.serialize_keras_object(estimator))
    assert again.logit_range == estimator.logit_range


def test_odd_constants_are_tried_on_every_estimator() -> None:
    named = {name for name, _ in ODD_CONSTANTS}
    free = {n for n, one in estimators.ALL_OBJECTS.items() if not one.has_fixed_count}
    assert named == free


@every_estimator
def test_estimator_sample_keeps_shape_dtype_and_range(key: str) -> None:
    estimator = make_estimator(key)
    logits = np.resize(_grid(estimator), (4, 5, 3))
    mask = _sample(estimator, logits)
    assert mask.shape == logits.shape and mask.dtype == np.float32
    low, high = estimator.mask_range
    assert mask.min() >= low and mask.max() <= high


@every_independent
@pytest.mark.parametrize("place", [0.1, 0.35, 0.5, 0.6, 0.9])
def test_estimator_keep_probability_is_the_frequency_of_open_samples(
    key: str, place: float
) -> None:
    estimator, count = make_estimator(key), 40_000
    low, high = closed_logit(estimator), estimator.logit_range[1]
    logit = np.float32(low + place * (high - low) + 0.05)
    p = float(estimator.keep_probability(keras.ops.convert_to_tensor(logit)))
    sampled = _sample(estimator, np.full(count, logit))
    observed = np.mean(np.abs(sampled) > estimator.open_above)
    assert abs(observed - p) <= 4.0 * np.sqrt(p * (1.0 - p) / count) + EPSILON


@every_independent
def test_estimator_penalty_closes_gates_everywhere_in_range(key: str) -> None:
    estimator = make_estimator(key)
    slope = autodiff(estimator.keep_probability, _grid(estimator))
    assert np.all(slope > 0.0)


@every_independent
def test_estimator_task_gradient_reaches_the_logits(key: str) -> None:
    estimator, seed = make_estimator(key), keras.random.SeedGenerator(3)
    logits = np.resize(_grid(estimator), 205)
    slope = autodiff(lambda a: estimator.sample(a, seed), logits)
    assert np.all(np.isfinite(slope)) and np.mean(slope > 0.0) > 0.1


@pytest.mark.parametrize("key", sorted(set(ESTIMATORS) - set(INDEPENDENT_ESTIMATORS)))
def test_estimator_with_a_fixed_count_has_it_in_every_mask_and_nothing_to_penalize(
    key: str,
) -> None:
    estimator = make_estimator(key)
    logits = np.random.default_rng(0).normal(size=(6, 17)).astype("float32")
    counts = [
        np.asarray(mask).sum(axis=-1)
        for mask in (
            *(_sample(estimator, logits, seed) for seed in range(3)),
            estimator.decide(logits),
            estimator.keep_probability(keras.ops.convert_to_tensor(logits)),
        )
    ]
    assert len(np.unique(counts)) == 1
    slope = autodiff(estimator.keep_probability, logits)
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)
    seed, weights = keras.random.SeedGenerator(3), np.resize([1.0, -2.0, 0.5], 17)
    pull = weights.astype("float32")
    slope = autodiff(
        lambda a: keras.ops.multiply(estimator.sample(a, seed), pull), logits
    )
    assert np.all(np.isfinite(slope)) and np.mean(slope != 0.0) > 0.9


@every_estimator
def test_estimator_sample_depends_on_the_seed_alone(key: str) -> None:
    logits = np.full(64, 0.1, "float32")
    first, again, other = (
        _sample(make_estimator(key), logits, seed) for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    if len(np.unique(first)) > 1:  # noisy: equal logits gave unequal gates
        assert not np.array_equal(first, other)


@every_estimator
def test_estimator_stays_float32_under_mixed_precision(key: str) -> None:
    estimator = make_estimator(key)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        logits = keras.ops.convert_to_tensor(_grid(estimator))
        seed = keras.random.SeedGenerator(0)
        for result in (
            estimator.sample(logits, seed),
            estimator.decide(logits),
            estimator.keep_probability(logits),
        ):
            assert keras.backend.standardize_dtype(result.dtype) == "float32"
    finally:
        keras.config.set_dtype_policy(before)


@every_estimator
def test_estimator_survives_config_json_and_serialization(key: str) -> None:
    more = {"initial_keep": 0.875} if key in WITH_INITIAL_KEEP else {}
    estimator = make_estimator(key, **more)
    config = json.loads(json.dumps(estimator.get_config()))
    rebuilt = type(estimator).from_config(config)
    serialized = json.loads(json.dumps(keras.saving.serialize_keras_object(estimator)))
    restored = estimators.get(serialized)
    for other in (rebuilt, restored):
        assert type(other) is type(estimator)
        assert other.get_config() == estimator.get_config()
        assert other.initial_logit() == estimator.initial_logit()


@pytest.mark.parametrize("name", estimators.ALL_OBJECTS)
def test_estimators_get_takes_name_class_and_instance(name: str) -> None:
    cls = estimators.ALL_OBJECTS[name]
    instance = cls()
    assert type(estimators.get(name)) is cls
    assert type(estimators.get(cls)) is cls
    assert estimators.get(instance) is instance


@pytest.mark.parametrize("identifier", ["hard_cement", "", None, 3, {"a": 1}])
def test_estimators_get_raises_with_the_valid_names(identifier: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        estimators.get(identifier)
    for name in estimators.ALL_OBJECTS:
        assert name in str(caught.value)
    assert repr(identifier) in str(caught.value)


@pytest.mark.parametrize("key", WITH_INITIAL_KEEP)
@pytest.mark.parametrize("initial_keep", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_estimator_raises_for_initial_keep_outside_of_its_range(
    key: str, initial_keep: float
) -> None:
    with pytest.raises(InvalidArgumentError, match="Expected initial_keep"):
        make_estimator(key, initial_keep=initial_keep)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"temperature": 0.0}, r"temperature .* number > 0; received temperature=0\.0"),
        ({"temperature": float("nan")}, "Expected temperature to be a finite number"),
        ({"stretch_low": 0.0}, r"Expected stretch_low < 0; received stretch_low=0\.0"),
        ({"stretch_high": 1.0}, "Expected stretch_high > 1"),
        ({"inference_rule": "mode"}, "one of mean, median; received .*'mode'"),
    ],
)
def test_hard_concrete_raises_for_a_constant_outside_of_its_range(
    arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        estimators.HardConcrete(**arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"surrogate": "sigmund"}, "surrogate to be one of sigmoid, .*'sigmund'"),
        ({"initial_keep": 0.5}, "start open; received initial_keep=0.5. Raise"),
    ],
)
def test_straight_through_raises_for_a_bad_argument(
    arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        estimators.StraightThrough(**arguments)


def test_estimator_without_its_methods_raises_with_their_names() -> None:
    class Unfinished(estimators.Estimator):
        pass

    unfinished = Unfinished(0.9)
    for name, arguments in (
        ("initial_logit", ()),
        ("sample", (0.0, None)),
        ("decide", (0.0,)),
        ("keep_probability", (0.0,)),
    ):
        with pytest.raises(NotImplementedError, match=f"Unfinished must define {name}"):
            getattr(unfinished, name)(*arguments)
