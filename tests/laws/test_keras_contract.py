"""Keras' own layer contract, for every masked layer, granularity and estimator."""

from typing import Any

import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from keras_diffmask.regularizers import L0
from tests.laws.masked_cases import (
    FIRST_CASES,
    TRAINED_ESTIMATORS,
    Case,
    make_estimator,
)

#: What one gate adds to the layer that owns it.
FIXED_STATE, SEED = 2, 1


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
    [(c, k) for c in FIRST_CASES for k in TRAINED_ESTIMATORS if c.takes(k)],
    ids=str,
)
def test_layer_keeps_the_keras_contract(case: Case, key: str) -> None:
    plain, shape = case.plain(), (2, *case.example.shape)
    plain(np.zeros(shape, "float32"))
    masked = case.bare(make_estimator(key), gate_regularizer=L0(0.1))
    # A bare cell takes states, which the contract cannot make up.
    layer_class, arguments = case.wrapper(masked)
    if layer_class is None:
        layer_class = case.layer_class
        arguments = {
            **case.example.arguments,
            **case.gate_arguments(make_estimator(key)),
            "gate_regularizer": L0(0.1),
        }
    _Contract().run_layer_test(
        layer_class,
        init_kwargs=arguments,
        input_shape=shape,
        # The compiled step is the slow part under JAX, where law 8 trains the
        # other estimators in every layer as well.
        run_training_check=keras.backend.backend() != "jax"
        or key == TRAINED_ESTIMATORS[0],
        expected_output_shape=tuple(plain.compute_output_shape(shape)),
        **_expected(case, key, plain),
    )
