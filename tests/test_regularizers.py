"""Penalties: their value, their gradient, their step, and what they refuse."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import (
    Gate,
    estimators,
    layers,
    mask_model,
    regularizers,
    schedules,
)
from keras_diffmask.errors import InvalidArgumentError
from tests.reference import top_k
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


@pytest.mark.parametrize("tiles", [1, 2])
def test_entropy_is_that_of_the_rows_that_compete(tiles: int) -> None:
    """Along the sampling axis of the final layout, whichever axes that is."""
    estimator = estimators.TopK(3, tiles=tiles, start="random")
    penalty = regularizers.Entropy(0.5)
    gate = Gate((3, 2, 4, 5), estimator, regularizer=penalty, min_keep=0)
    gate.build()
    logits = keras.ops.convert_to_numpy(gate.logits())
    parts = np.split(logits, tiles, axis=2)
    rows = np.stack([part[..., unit].ravel() for part in parts for unit in range(5)])
    (loss,) = gate.losses
    np.testing.assert_allclose(float(loss), 0.5 * top_k.entropy(rows).sum(), rtol=1e-5)
    gate.raw_logits.assign(np.zeros_like(logits))
    expected = 0.5 * tiles * 5 * np.log(24 // tiles)
    np.testing.assert_allclose(float(gate.losses[0]), expected, rtol=1e-5)


def test_entropy_raises_for_an_estimator_whose_gates_do_not_compete() -> None:
    with pytest.raises(
        InvalidArgumentError,
        match="Entropy is a penalty for in gate 'fork': TopK; received HardConcrete",
    ):
        Gate(4, "hard_concrete", regularizer="entropy", name="fork")


def test_l0_is_refused_where_the_count_is_given() -> None:
    """At build time, by a layer and by a whole model, with what works there."""
    sentence = "in gate 'conv_gate'; received TopK, which keeps exactly k of n"
    for penalty in ("l0", regularizers.L0(1e-4)):
        with pytest.raises(InvalidArgumentError, match=sentence) as caught:
            layer = layers.MaskedConv1D(
                4, 3, estimator="top_k", gate_regularizer=penalty, name="conv"
            )
            layer.build((None, 8, 2))
        assert "Pass regularizers.Entropy(1e-5)" in str(caught.value)
    conv = keras.layers.Conv1D(4, 3, name="conv")
    model = keras.Sequential([keras.Input((8, 2)), conv, keras.layers.Conv1D(2, 1)])
    for level in ("channel", "weight"):
        with pytest.raises(InvalidArgumentError, match=sentence):
            mask_model(model, "top_k", level, gate_regularizer="l0")
    mask_model(model, "top_k", "weight", gate_regularizer="entropy")


def test_a_penalty_that_top_k_lacks_names_the_one_it_has() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Pass regularizers.Entropy"):
        Gate(4, "top_k", regularizer="l1")


def test_l1_is_the_sum_of_the_magnitudes_of_scales_whatever_they_cover() -> None:
    penalty = regularizers.L1(0.5)
    gate = Gate(4, "differentiable_mask", regularizer=penalty, weights_per_gate=9.0)
    gate.build()
    gate.raw_logits.assign(np.array([-2.0, 0.0, 0.01, 1.0], "float32"))
    (loss,) = gate.losses
    np.testing.assert_allclose(float(loss), 0.5 * 3.01, rtol=1e-6)


def test_l1_raises_for_an_estimator_without_scales() -> None:
    with pytest.raises(
        InvalidArgumentError,
        match="L1 is a penalty for in gate 'fork': DifferentiableMask; received TopK",
    ):
        Gate(4, "top_k", regularizer="l1", name="fork")


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


# -- the step of a scheduled strength -----------------------------------------------


class _Nothing(keras.losses.Loss):
    """Leaves the penalty alone in the loss."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return 0.0 * keras.ops.mean(y_pred)


def _losses(layer: Any, masked: bool, **more: Any) -> list[float]:
    """Of the first steps of a training in which nothing moves."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(inputs))
    if masked:
        model = keras.Model(inputs, keras.layers.Dense(2)(model(inputs)))
        model = mask_model(model, **more)
    model.compile(keras.optimizers.SGD(0.0), _Nothing(), run_eagerly=True)
    x = np.ones((4, 3), "float32")
    y = np.zeros((4, *model.output_shape[1:]), "float32")
    return [float(model.train_on_batch(x, y)) for _ in range(4)]


#: Every penalty, an estimator that it is for, and where else than on kernels.
PENALTIES: dict[str, dict[str, Any]] = {
    "l0": {"estimator": "hard_concrete"},
    "l1": {"estimator": "differentiable_mask"},
    "entropy": {"estimator": estimators.TopK(k=2)},
    "log_threshold": {"estimator": "soft_threshold", "granularity": "weight"},
    "operation_aware_penalty": {"estimator": "operation_aware"},
}


@pytest.mark.parametrize("name", regularizers.ALL_OBJECTS)
@pytest.mark.parametrize("masked", [False, True])
def test_every_penalty_is_at_start_in_the_first_step(name: str, masked: bool) -> None:
    ramp = schedules.Linear(0.0, 1.0, steps=2)
    more = {"gate_regularizer": regularizers.ALL_OBJECTS[name](ramp)}
    more |= PENALTIES[name]
    if name == "operation_aware_penalty":
        if masked:
            layer = keras.Sequential([keras.layers.Dense(4, use_bias=False)])
            layer.add(keras.layers.BatchNormalization())
            layer.add(keras.layers.ReLU())
        else:
            layer = layers.MaskedBatchNormalization(**more)
    else:
        kind = keras.layers.Dense if masked else layers.MaskedDense
        layer = kind(4, activation="relu", **({} if masked else more))
    losses = _losses(layer, masked, **more)
    assert losses[0] == 0.0 and losses[2] != 0.0
    np.testing.assert_allclose(losses[1:], np.array([0.5, 1, 1]) * losses[2], 1e-4)


def test_penalty_and_mask_are_at_the_same_step_of_an_estimator() -> None:
    cooling = estimators.HardConcrete(
        temperature=schedules.Linear(1.0, 0.2, steps=2), initial_keep=0.95
    )
    own = {"estimator": cooling, "gate_regularizer": regularizers.L0(1.0)}
    layer = layers.MaskedDense(4, **own)
    losses = _losses(layer, masked=False)
    logits = layer.gate.logits()
    kept = [
        4.0 * float(keras.ops.sum(cooling.keep_probability(logits, step)))
        for step in range(4)
    ]
    np.testing.assert_allclose(losses, kept, rtol=1e-5)
    assert kept[0] > kept[1] > kept[2]
