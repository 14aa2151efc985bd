"""Keras' own layer contract, for every masked layer, granularity and estimator."""

from typing import Any

import numpy as np
import pytest
from keras.src.testing import TestCase

from keras_diffmask import granularity, layers
from tests.laws.masked_cases import (
    FIRST_CASES,
    TRAINED_ESTIMATORS,
    Case,
    make_estimator,
    make_penalty,
)
from tests.laws.pairs import cases_of

#: Every layer with every estimator that fits it, at a granularity that both take:
#: they take turns, so that each is there.
PAIRS = [
    (fitting[(place + turn) % len(fitting)], key)
    for place, layer_class in enumerate(layers.ALL_OBJECTS)
    for turn, key in enumerate(TRAINED_ESTIMATORS)
    if (fitting := [c for c in cases_of(key) if c.layer_class is layer_class])
]


def test_every_layer_and_estimator_is_there() -> None:
    assert {case.layer_class for case, _ in PAIRS} == set(layers.ALL_OBJECTS)
    assert {key for _, key in PAIRS} == set(TRAINED_ESTIMATORS)
    kinds = {granularity.kind(case.granularity) for case, _ in PAIRS}
    assert kinds == {granularity.kind(case.granularity) for case in FIRST_CASES}


#: What one gate adds to the layer that owns it.
FIXED_STATE, SEED = 3, 1


class _Contract(TestCase):
    """Keras' test case, for its `run_layer_test` only."""

    def runTest(self) -> None: ...


def _seeds(layer: Any) -> int:
    return sum("seed_generator" in v.path for v in layer.non_trainable_variables)


def _expected(case: Case, key: str, plain: Any) -> dict[str, int]:
    count = 2 if case.is_recurrent else 1
    has_variable = make_estimator(key).variable_shape((1,)) is not None
    frozen = len(plain.non_trainable_weights) + FIXED_STATE * count
    seeds = _seeds(plain) + SEED * count
    return {
        "expected_num_trainable_weights": len(plain.trainable_weights)
        + count * has_variable,
        "expected_num_non_trainable_weights": frozen,
        "expected_num_non_trainable_variables": frozen + seeds,
        "expected_num_seed_generators": seeds,
        "expected_num_losses": count,
    }


@pytest.mark.parametrize(
    ("case", "key"),
    PAIRS,
    ids=str,
)
def test_layer_keeps_the_keras_contract(case: Case, key: str) -> None:
    plain, shape = case.plain(), (2, *case.example.shape)
    plain(np.zeros(shape, "float32"))
    masked = case.bare(make_estimator(key), gate_regularizer=make_penalty(key, 0.1))
    # A bare cell takes states, which the contract cannot make up.
    layer_class, arguments = case.wrapper(masked)
    if layer_class is None:
        layer_class = case.layer_class
        arguments = {
            **case.example.arguments,
            **case.gate_arguments(make_estimator(key)),
            "gate_regularizer": make_penalty(key, 0.1),
        }
    _Contract().run_layer_test(
        layer_class,
        init_kwargs=arguments,
        input_shape=shape,
        # Compiling is the slow part; law 8 trains the others, all in one model.
        run_training_check=key == TRAINED_ESTIMATORS[0],
        run_mixed_precision_check=key == TRAINED_ESTIMATORS[0],
        expected_output_shape=tuple(plain.compute_output_shape(shape)),
        **_expected(case, key, plain),
    )
