"""A budget that no fit has decided is said to be so, wherever it matters."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import BudgetError


def _masked() -> Any:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu")])
    model.add(layers.Dense(2))
    return kd.mask_model(model, budget=kd.Budget(parameters=0.5))


@pytest.mark.parametrize("act", [export.strip, export.plan])
def test_undecided_budget_is_warned_of(act: Any) -> None:
    masked = _masked()
    with pytest.warns(UserWarning, match="is not decided.*finalize") as caught:
        act(masked)
    ours = [one for one in caught if "is not decided" in str(one.message)]
    assert [one.filename for one in ours] == [__file__]
    kd.finalize(masked)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*is not decided")
        act(masked)


def test_summary_says_whether_the_budget_is_decided() -> None:
    masked = _masked()
    before = kd.summary(masked, verbose=False)
    assert not before.budgets[0].is_decided and "not decided yet" in str(before)
    kd.finalize(masked)
    after = kd.summary(masked, verbose=False)
    assert after.budgets[0].is_decided and "not decided" not in str(after)


X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")


def _with_weights_of_another(path: Path, theirs: float) -> Any:
    """A model for a half, with the decision of one with another budget."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(32, "relu")])
    model.add(layers.Dense(2))
    one = kd.mask_model(model, budget=kd.Budget(macs=theirs))
    kd.finalize(one)
    one.save_weights(path)
    masked = kd.mask_model(model, budget=kd.Budget(macs=0.5))
    masked.load_weights(path)
    masked.compile("sgd", "mse", run_eagerly=True)
    return masked


def test_decision_for_a_looser_budget_is_not_trained_on(tmp_path: Path) -> None:
    """Weights bring the decision along, but not what it was decided for."""
    masked = _with_weights_of_another(tmp_path / "loose.weights.h5", 0.8)
    before = [keras.ops.convert_to_numpy(v) for v in masked.variables]
    sentence = r"macs of \d+\.\d% where the budget is 50\.0%.*finalize\(model\)"
    with pytest.raises(BudgetError, match=sentence):
        masked.fit(X, X[:, :2], verbose=0)
    for variable, value in zip(masked.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    with pytest.warns(UserWarning, match=sentence) as caught:
        export.strip(masked)
    ours = [one for one in caught if "miss its budget" in str(one.message)]
    assert [one.filename for one in ours] == [__file__]
    kd.finalize(masked)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*miss its budget")
        history = masked.fit(X, X[:, :2], verbose=0).history
        plan = export.plan(masked)
    assert history["budget_met"] == [1.0] and plan.macs[1] <= 0.5 * plan.macs[0]


@pytest.mark.parametrize("theirs", [0.5, 0.3])
def test_decision_that_holds_is_trained_on(tmp_path: Path, theirs: float) -> None:
    masked = _with_weights_of_another(tmp_path / "fitting.weights.h5", theirs)
    history = masked.fit(X, X[:, :2], verbose=0).history
    assert history["budget_met"] == [1.0] and history["macs"][0] <= theirs


def test_more_units_than_the_budget_by_hand_is_warned_of() -> None:
    masked = _masked()
    kd.finalize(masked)
    kd.gates(masked)[0].set_keep(np.ones(8, bool))
    masked.compile("sgd", "mse", run_eagerly=True)
    with pytest.warns(UserWarning, match=r"miss its budget: parameters of 100\.0%"):
        history = masked.fit(X, X[:, :2], verbose=0).history
    assert history["budget_met"] == [0.0]


@pytest.mark.parametrize(("units", "is_named"), [(1, True), (2, False)])
def test_summary_names_layers_that_few_units_are_left_of(
    units: int, is_named: bool
) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, "relu", name="thin")])
    model.add(layers.Dense(2))
    masked = kd.mask_model(model)
    kd.gates(masked)[0].set_keep(np.arange(16) < units)
    text = str(kd.summary(masked, verbose=False))
    assert (
        "less than 10% of the units are left in: thin (1 of 16)" in text
    ) == is_named
