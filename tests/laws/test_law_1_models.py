"""Laws 1 and 5 for whole models: open is the original; round trips keep the gates."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import estimators
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.inline import inlined
from keras_diffmask.masking.budgeted import controller_of
from tests.laws import alive
from tests.laws.alive import CHOSEN, MODELS
from tests.laws.masked_cases import INDEPENDENT_ESTIMATORS, make_estimator
from tests.laws.zoo import Entry

every_model = pytest.mark.parametrize("entry", CHOSEN, ids=str)


@every_model
def test_masked_model_starts_as_the_original(entry: Entry) -> None:
    """Fresh gates, and gates held open by hand: bit for bit."""
    original, masked = alive.pair(entry.name)
    x = entry.inputs()
    expected = alive.run(original, x)
    for gate in kd.gates(masked):
        gate.set_keep(None)
    for held in (False, True):
        for gate in kd.gates(masked) if held else []:
            gate.set_keep(np.ones(gate.mask_shape, bool))
        for a, b in zip(expected, alive.run(masked, x), strict=True):
            assert np.array_equal(a, b)
    assert [layer.name for layer in inlined(original).layers if layer.weights] == [
        layer.name
        for layer in masked.layers
        if layer.weights and not isinstance(layer, kd.Gate)
    ]


STARTS = [
    (key, granularity)
    for key in INDEPENDENT_ESTIMATORS
    for granularity in ("channel", "weight")
    if granularity in make_estimator(key).granularities
]


@pytest.mark.parametrize(("key", "granularity"), STARTS)
def test_every_estimator_starts_as_the_original(key: str, granularity: str) -> None:
    # Those that read a layer's weights find them behind its convolutions.
    reads = make_estimator(key).carrier is not None
    entry = MODELS["cnn_with_norm" if reads else "cnn_with_bias"]
    original, x = alive.pair(entry.name)[0], entry.inputs()
    masked = kd.mask_model(original, make_estimator(key), granularity)
    assert np.array_equal(alive.run(original, x)[0], alive.run(masked, x)[0])


@every_model
@pytest.mark.parametrize("initial_keep", [0.9])
def test_inverse_of_the_first_gate_is_folded(entry: Entry, initial_keep: float) -> None:
    """A gate below 1 at the start; where no weight can hold it, a sentence."""
    original, x = alive.pair(entry.name)[0], entry.inputs()
    estimator = estimators.HardConcrete(initial_keep=initial_keep)
    if not entry.folds:
        with pytest.raises(InvalidArgumentError, match="gates that start at exactly 1"):
            kd.mask_model(original, estimator)
        return
    masked = kd.mask_model(original, estimator)
    first = alive.array(kd.gates(masked)[0].inference_mask())
    assert np.all((first > 0.5) & (first < 0.95))
    assert alive.distance(alive.run(original, x), alive.run(masked, x)) <= 1e-5


def test_inverse_is_folded_into_single_weights() -> None:
    entry = MODELS["mlp"]
    original, x = alive.pair(entry.name)[0], entry.inputs()
    masked = kd.mask_model(original, estimators.HardConcrete(0.9), "weight")
    assert alive.distance(alive.run(original, x), alive.run(masked, x)) <= 1e-5


def _assert_same(before: keras.Model, after: Any, x: Any) -> None:
    assert isinstance(after, kd.MaskedModel)
    for a, b in zip(alive.run(before, x), alive.run(after, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    old, new = kd.gates(before), kd.gates(after)
    assert [gate.name for gate in old] == [gate.name for gate in new]
    for a, b in zip(old, new, strict=True):
        assert np.array_equal(a.keep, b.keep) and a.min_keep == b.min_keep
    # Still one gate for all its members: closing it here closes it everywhere.
    for model in (before, after):
        alive.decide(model, 0.5, seed=4)
    for a, b in zip(alive.run(before, x), alive.run(after, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@every_model
def test_save_and_load(entry: Entry, tmp_path: Path) -> None:
    masked, x = kd.mask_model(alive.pair(entry.name)[0]), entry.inputs()
    alive.decide(masked, 0.4, seed=2)
    masked.save(tmp_path / "model.keras")
    _assert_same(masked, keras.saving.load_model(tmp_path / "model.keras"), x)


@pytest.mark.parametrize("name", ["residual", "stacked_lstm", "shared_layer"])
@pytest.mark.parametrize("how", ["clone", "config"])
def test_clone_and_config(name: str, how: str) -> None:
    entry = MODELS[name]
    masked = kd.mask_model(alive.pair(name)[0], budget=kd.Budget(macs=0.5))
    alive.decide(masked, 0.4, seed=2)
    again = (
        keras.models.clone_model(masked)
        if how == "clone"
        else kd.MaskedModel.from_config(masked.get_config())
    )
    again.set_weights(masked.get_weights())
    _assert_same(masked, again, entry.inputs())


def test_budget_controller_state_survives(tmp_path: Path) -> None:
    budget = kd.Budget(macs=0.5, parameters=0.6, search=0.4)
    masked = kd.mask_model(alive.pair("mlp")[0], budget=budget)
    controller = controller_of(masked)
    assert controller is not None
    controller.step.assign(17.0)
    controller.search_steps.assign(40.0)
    controller.multipliers.assign([0.25, 1.5])
    masked.save(tmp_path / "model.keras")
    again = controller_of(keras.saving.load_model(tmp_path / "model.keras"))
    assert again is not None and again.search == 0.4
    for name in ("step", "search_steps", "multipliers", "searching"):
        a, b = getattr(controller, name), getattr(again, name)
        assert np.array_equal(alive.array(a), alive.array(b)), name
    assert again.as_limits() == controller.as_limits()
    assert again.gate_names == controller.gate_names


def test_names_that_the_user_took_already() -> None:
    """A layer of the user's may be called budget, or like a gate."""
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8, "relu", name="budget")(inputs)
    x = keras.layers.Dense(8, "relu", name="budget_gate")(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    masked = kd.mask_model(model, budget=kd.Budget(macs=0.5))
    kd.finalize(masked)
    assert len(kd.gates(masked)) == 2


def test_precision_of_the_masked_layer_is_kept() -> None:
    """Not that of the policy in force when the model is masked, or stripped."""
    original, masked = alive.pair("activations_apart", "mixed_bfloat16")
    x = MODELS["activations_apart"].inputs()
    for a, b in zip(alive.run(original, x), alive.run(masked, x), strict=True):
        assert a.dtype == b.dtype
    policies = {layer.dtype_policy.name for layer in masked.layers if layer.weights}
    assert "mixed_bfloat16" in policies
    assert all(
        layer.dtype_policy.name == "mixed_bfloat16"
        for layer in masked.layers
        if isinstance(layer, kd.layers.ChannelMask)
    )
