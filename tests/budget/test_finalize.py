"""Tighter and looser networks out of the same trained gates."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import BudgetError, InvalidArgumentError
from keras_diffmask.masking.budgeted import decided_for, is_searching, standing
from tests.budget.networks import BATCH, data, masked


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(3)
    model = masked(kd.Budget(macs=0.5, parameters=1.0), channel_multiple=2)
    model.fit(*data(), batch_size=BATCH, epochs=4, verbose=0)
    path = tmp_path_factory.mktemp("finalize") / "trained.keras"
    model.save(path)
    return path


def _load(path: Path) -> kd.MaskedModel:
    return keras.saving.load_model(path)


def _keeps(model: keras.Model) -> list[np.ndarray]:
    return [gate.keep for gate in kd.gates(model)]


def _equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "limits",
    [{"macs": 0.3}, {"macs": 0.8}, {"parameters": 0.4}, {"macs": 100}, {"macs": 1.0},
     {"macs": 0.6, "parameters": 90}],
    ids=str,
)  # fmt: skip
def test_loaded_model_meets_another_budget(trained: Path, limits: dict) -> None:
    model = _load(trained)
    weights = [keras.ops.convert_to_numpy(w) for w in model.trainable_variables]
    kd.finalize(model, kd.Budget(**limits))
    plan = export.plan(model)
    for name, limit in limits.items():
        dense, left = getattr(plan, name)
        most = limit if limit > 1 else limit * dense
        assert left <= most
        if len(limits) == 1 and limit < 1:
            assert left > 0.6 * most, "what fits is not taken away"
    for gate in kd.gates(model):
        score = keras.ops.convert_to_numpy(gate.score())
        assert gate.keep.sum() % 2 == 0 or gate.keep.all()
        if not gate.keep.all():
            assert score[gate.keep].min() >= score[~gate.keep].max(), "by its ranking"
    for weight, before in zip(model.trainable_variables, weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), before)
    now = standing(model)
    assert now is not None and now.is_met and not now.is_searching
    assert export.strip(model).count_params() == plan.parameters[1]


def test_there_and_back_again(trained: Path) -> None:
    model = _load(trained)
    first = _keeps(model)
    x, _ = data()
    answers = keras.ops.convert_to_numpy(model(x))
    kd.finalize(model, kd.Budget(macs=0.3))
    assert not _equal(first, _keeps(model))
    kd.finalize(model, kd.Budget(macs=0.5))
    assert _equal(first, _keeps(model))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), answers)


def test_another_budget_survives_save_and_load(trained: Path, tmp_path: Path) -> None:
    model = _load(trained)
    kd.finalize(model, kd.Budget(macs=0.3))
    model.save(tmp_path / "tight.keras")
    again = _load(tmp_path / "tight.keras")
    assert _equal(_keeps(model), _keeps(again))
    assert [row.budget for row in kd.summary(again, verbose=False).budgets] == [0.3, 1]
    kd.finalize(again)
    assert _equal(_keeps(model), _keeps(again)), "its own is now that budget"


def test_decided_by_hand_stays(trained: Path) -> None:
    model = _load(trained)
    gate = kd.gates(model)[0]
    by_hand = np.arange(gate.units) < 1
    gate.set_keep(by_hand)
    kd.finalize(model, kd.Budget(macs=0.3))
    kd.finalize(model, kd.Budget(macs=0.6))
    assert np.array_equal(gate.keep, by_hand)
    assert any(g.keep.sum() > 2 for g in kd.gates(model)[1:])


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        ({"macs": 2}, r"macs of at least \d+, .* a budget of 2\."),
        ({"flash": 0.5}, r"masked with, macs and parameters; .* flash\. .*flash=1\.0"),
    ],
    ids=str,
)
def test_impossible_budget_changes_nothing(
    trained: Path, budget: dict[str, Any], sentence: str
) -> None:
    model = _load(trained)
    before = _keeps(model)
    with pytest.raises(BudgetError, match=sentence):
        kd.finalize(model, kd.Budget(**budget))
    assert _equal(before, _keeps(model))
    assert kd.summary(model, verbose=False).budgets[0].budget == 0.5


def test_without_a_budget_of_its_own() -> None:
    with pytest.raises(InvalidArgumentError, match="a model with a budget"):
        kd.finalize(masked(None), kd.Budget(macs=0.5))


@pytest.mark.parametrize("searches", [False, True])
def test_decided_for_a_while_and_then_as_it_was(trained: Path, searches: bool) -> None:
    model = masked(kd.Budget(macs=0.5)) if searches else _load(trained)
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.variables]
    with decided_for(model, kd.Budget(macs=0.3)):
        assert all(gate.is_fixed for gate in kd.gates(model))
        plan = export.plan(model)
        assert plan.macs[1] <= 0.3 * plan.macs[0]
    assert is_searching(model) is searches
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert kd.summary(model, verbose=False).budgets[0].budget == 0.5
