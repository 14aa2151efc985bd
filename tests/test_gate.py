"""The gate: fixed by hand or given back, in range, never without a last unit."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, estimators
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.regularizers import L0, Entropy
from tests.laws.masked_cases import (
    INDEPENDENT_ESTIMATORS,
    LOGIT_ESTIMATORS,
    array,
    closed_logit,
    make_estimator,
    set_logits,
)

KEEP = np.array([True, False, True, False])
every_estimator = pytest.mark.parametrize("key", LOGIT_ESTIMATORS)
every_independent = pytest.mark.parametrize(
    "key", sorted(set(INDEPENDENT_ESTIMATORS) & set(LOGIT_ESTIMATORS))
)


def _gate(shape: Any = 4, estimator: Any = "hard_concrete", **arguments: Any) -> Gate:
    gate = Gate(shape, estimator, **arguments)
    gate.build()
    return gate


def _mask(gate: Gate, training: bool) -> np.ndarray:
    return array(gate(training=training)[0])


@every_estimator
def test_gate_set_keep_fixes_training_inference_and_probability(key: str) -> None:
    gate = _gate(estimator=make_estimator(key))
    gate.set_keep(KEEP)
    assert gate.is_fixed and np.array_equal(gate.keep, KEEP)
    for training in (True, False):
        mask, probability = gate(training=training)
        assert np.array_equal(array(mask), KEEP.astype("float32"))
        assert np.array_equal(array(probability), KEEP.astype("float32"))


@every_estimator
def test_gate_set_keep_none_gives_it_back_to_its_estimator(key: str) -> None:
    gate = _gate(estimator=make_estimator(key))
    closed = closed_logit(gate.estimator)
    set_logits(gate, [4.0, closed, closed, 4.0])
    before, logits = _mask(gate, training=False), array(gate.logits())
    gate.set_keep(KEEP)
    gate.set_keep(None)
    assert not gate.is_fixed
    assert np.array_equal(_mask(gate, training=False), before)
    assert np.array_equal(array(gate.logits()), logits)
    assert gate.keep.tolist() == [True, False, False, True]


def test_gate_set_keep_none_on_a_free_gate_changes_nothing() -> None:
    gate = _gate()
    gate.set_keep(None)
    assert not gate.is_fixed and gate.keep.all() and gate.keep.dtype == np.bool_


def test_gate_set_keep_again_replaces_the_first_decision() -> None:
    gate = _gate()
    gate.set_keep(KEEP)
    gate.set_keep(~KEEP)
    assert np.array_equal(gate.keep, ~KEEP)


@pytest.mark.parametrize(
    "keep",
    [
        np.ones(3, bool),
        np.ones((4, 1), bool),
        np.ones(4, "float32"),
        np.array([1, 0, 1, 0]),
        True,
        [[True], [True]],
        "all",
    ],
)
def test_gate_set_keep_raises_for_wrong_shape_or_type(keep: Any) -> None:
    gate = _gate(name="fork")
    with pytest.raises(
        InvalidArgumentError,
        match=r"Expected a boolean array of shape \(4,\) for gate 'fork'; received an "
        r"array of shape .* Pass one True or False per unit",
    ):
        gate.set_keep(keep)
    assert not gate.is_fixed


def test_gate_set_keep_takes_a_list_and_a_matrix() -> None:
    gate = _gate()
    gate.set_keep([True, True, False, True])
    assert gate.keep.tolist() == [True, True, False, True]
    matrix = _gate((2, 3), min_keep=0)
    keep = np.array([[True, False, False], [False, True, True]])
    matrix.set_keep(keep)
    assert matrix.units == 6 and np.array_equal(matrix.keep, keep)


def test_gate_set_keep_raises_when_nothing_would_stay() -> None:
    gate = _gate(name="fork")
    with pytest.raises(
        InvalidArgumentError,
        match="Expected at least 1 open unit in gate 'fork'; .* must not lose its last",
    ):
        gate.set_keep(np.zeros(4, bool))
    assert not gate.is_fixed


def test_gate_with_min_keep_0_may_close_altogether() -> None:
    gate = _gate(min_keep=0)
    gate.set_keep(np.zeros(4, bool))
    assert not gate.keep.any() and not _mask(gate, training=False).any()
    gate.set_keep(None)
    set_logits(gate, -4.6)
    assert not gate.keep.any()


@every_independent
def test_gate_never_loses_its_last_unit_by_its_logits(key: str) -> None:
    gate = _gate(estimator=make_estimator(key))
    closed = closed_logit(gate.estimator)
    set_logits(gate, closed + np.array([0.0, 0.01, 0.03, 0.02]))
    assert gate.keep.tolist() == [False, False, True, False]
    one = array(gate.estimator.scale(gate.logits()))
    assert np.array_equal(_mask(gate, training=False), one * gate.keep)
    set_logits(gate, closed)
    assert gate.keep.sum() == 1
    # With any other unit open nothing is forced.
    set_logits(gate, [closed, closed, closed, 4.6])
    assert gate.keep.tolist() == [False, False, False, True]


@every_estimator
@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_gate_logits_stay_in_range_after_a_huge_optimizer_step(
    key: str, scale: float, direction: float
) -> None:
    gate = _gate(estimator=make_estimator(key), logit_scale=scale)
    optimizer = keras.optimizers.SGD(1e6)
    optimizer.build([gate.raw_logits])
    optimizer.apply([keras.ops.full((4,), -direction)], [gate.raw_logits])
    low, high = gate.estimator.logit_range
    edge = high if direction > 0 else low
    np.testing.assert_allclose(array(gate.logits()), edge, rtol=1e-6)
    # And from the edge the penalty can still move it.
    # (of units that are all alike, some have to be open where a count is given).
    most = float(array(gate.keep_probability()).max())
    assert 0.0 < most <= 1.0 or key.startswith("straight_through")


def test_gate_samples_in_training_only() -> None:
    gate = _gate(64)
    set_logits(gate, 0.0)
    first, second = _mask(gate, True), _mask(gate, True)
    assert not np.array_equal(first, second)
    assert np.array_equal(_mask(gate, False), _mask(gate, False))
    assert np.allclose(_mask(gate, False), 0.5)


def test_gate_stays_float32_under_every_policy() -> None:
    gate = _gate(dtype="mixed_bfloat16")
    assert gate.compute_dtype == "float32"
    # One byte is enough for which units a decision keeps.
    numbers = [v for v in gate.weights if v is not gate.fixed_keep]
    assert {keras.backend.standardize_dtype(v.dtype) for v in numbers} == {"float32"}
    assert keras.backend.standardize_dtype(gate(training=True)[0].dtype) == "float32"


def test_gate_trains_its_logits_and_nothing_else() -> None:
    gate = _gate()
    assert [v.name for v in gate.trainable_variables] == ["gate_logits"]
    frozen = {v.name for v in gate.non_trainable_weights}
    assert frozen == {"fixed", "fixed_keep", "decided_score"}


@every_independent
def test_gate_penalty_is_counted_once_however_often_it_is_called(key: str) -> None:
    gate = _gate(
        estimator=make_estimator(key), regularizer=L0(0.25), weights_per_gate=7.0
    )
    set_logits(gate, [-2.0, 0.5, 1.0, 2.0])
    for training in (True, False, True):
        gate(training=training)
    (loss,) = gate.losses
    expected = 0.25 * 7.0 * array(gate.keep_probability()).sum(dtype="float64")
    np.testing.assert_allclose(array(loss), expected, rtol=1e-6)


def test_gate_of_a_fixed_count_counts_its_entropy_once() -> None:
    gate = _gate(estimator=make_estimator("top_k"), regularizer=Entropy(0.5))
    set_logits(gate, [0.0, 0.0, 0.0, 0.0])
    for training in (True, False, True):
        gate(training=training)
    (loss,) = gate.losses
    np.testing.assert_allclose(array(loss), 0.5 * np.log(4.0), rtol=1e-6)


def test_gate_penalty_of_a_fixed_gate_counts_the_decision() -> None:
    gate = _gate(regularizer=L0(0.5), weights_per_gate=3.0)
    gate.set_keep(KEEP)
    (loss,) = gate.losses
    assert array(loss) == 0.5 * 3.0 * 2


def test_gate_survives_config_and_json() -> None:
    gate = _gate(
        (2, 3),
        make_estimator("hard_concrete", initial_keep=0.9),
        regularizer="l0",
        weights_per_gate=5.0,
        min_keep=0,
        logit_scale=4.0,
    )
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(gate)))
    restored = keras.saving.deserialize_keras_object(config)
    assert restored.built and restored.mask_shape == (2, 3)
    assert restored.get_config() == gate.get_config()
    assert np.array_equal(array(restored.logits()), array(gate.logits()))


@pytest.mark.parametrize("estimator", ["hard_cement", None, 3])
def test_gate_raises_for_an_unknown_estimator(estimator: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Expected estimator to be one of"):
        Gate(4, estimator)


@pytest.mark.parametrize(
    "arguments",
    [
        {"shape": 0},
        {"shape": (3, 0)},
        {"shape": -2},
        {"shape": 4, "logit_scale": 0.0},
        {"shape": 4, "logit_scale": -1.0},
        {"shape": 4, "min_keep": 2},
        {"shape": 4, "min_keep": -1},
        {"shape": 4, "weights_per_gate": 0.0},
        {"shape": 3, "estimator": estimators.HardConcrete(initial_keep=0.9999)},
        {"shape": 3, "estimator": estimators.StraightThrough(initial_keep=0.9999)},
    ],
    ids=lambda arguments: ",".join(
        f"{name}={str(value).split(chr(32))[0]}" for name, value in arguments.items()
    ),
)
def test_gate_raises_for_an_argument_outside_of_its_range(
    arguments: dict[str, Any],
) -> None:
    with pytest.raises(InvalidArgumentError, match="Expected .*; received "):
        Gate(**arguments)
