"""L0: its value, its gradient, and what it refuses."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, regularizers
from keras_diffmask.errors import InvalidArgumentError
from tests.reference.gradients import autodiff

PROBABILITY = np.array([0.0, 0.25, 1.0, 0.7], dtype="float32")


def _gate(probability: Any) -> Any:
    """A gate of four units, ten weights each, with these keep probabilities."""
    gate = Gate(4, weights_per_gate=10.0)
    gate.build()
    gate.keep_probability = lambda: keras.ops.convert_to_tensor(probability)
    return gate


def test_l0_is_strength_times_expected_kept_weights() -> None:
    value = regularizers.L0(0.5)(_gate(PROBABILITY))
    np.testing.assert_allclose(float(value), 0.5 * 10.0 * 1.95, rtol=1e-6)


def test_l0_gradient_is_strength_times_weights_per_gate() -> None:
    slope = autodiff(lambda p: regularizers.L0(0.5)(_gate(p)), PROBABILITY)
    np.testing.assert_allclose(slope, np.full(4, 5.0))


def test_l0_strength_0_is_allowed_and_free() -> None:
    value = regularizers.L0(0.0)(_gate(PROBABILITY))
    assert float(value) == 0.0


@pytest.mark.parametrize("strength", [-1e-4, float("nan"), float("inf")])
def test_l0_raises_for_a_strength_that_is_negative_or_not_finite(
    strength: float,
) -> None:
    with pytest.raises(InvalidArgumentError, match="finite number >= 0; received"):
        regularizers.L0(strength)


@pytest.mark.parametrize("name", regularizers.ALL_OBJECTS)
def test_regularizer_survives_get_config_and_json(name: str) -> None:
    regularizer = regularizers.get(name)
    config = keras.saving.serialize_keras_object(regularizer)
    restored = regularizers.get(json.loads(json.dumps(config)))
    assert type(restored) is regularizers.ALL_OBJECTS[name]
    assert restored.get_config() == regularizer.get_config()


def test_regularizers_get_none_is_no_penalty() -> None:
    assert regularizers.get(None) is None


@pytest.mark.parametrize("identifier", ["l17", 3, keras.regularizers.L2(0.1)])
def test_regularizers_get_raises_with_the_valid_names(identifier: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match="gate_regularizer to be one of .*l0.*, or a Gate"
    ):
        regularizers.get(identifier)
