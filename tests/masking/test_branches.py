"""Gates on whole branches: laws 1 to 5, on each kind of branch there is."""

from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.costs import IN_GRAPH, Cost, gated_cost
from keras_diffmask.graph import count, trace
from keras_diffmask.masking.by_branch import place_branches
from tests.laws import alive
from tests.laws.test_law_3_strip import assert_stock
from tests.masking.branch_models import CASES, Case, decisions

DTYPE = "float64" if alive.TENSORFLOW else "float32"
TOLERANCE = 1e-9 if alive.TENSORFLOW else 1e-5
every_case = pytest.mark.parametrize("case", CASES.values(), ids=str)


def _pair(case: Case, dtype: str = DTYPE, **more: Any) -> tuple[Any, Any]:
    original = alive.build(case.entry, dtype)
    return original, kd.mask_model(original, granularity="branch", **more)


def _decide(masked: keras.Model, is_open: dict[str, bool]) -> None:
    for gate in kd.gates(masked):
        gate.set_keep(np.array([is_open[gate.name]]))


def _costs(model: keras.Model) -> tuple[dict[str, Cost], list[str]]:
    graph = trace(model)
    p = place_branches(graph)
    costs = {n: gated_cost(n, graph, p.gate_of, p.sizes, p.branches) for n in IN_GRAPH}
    return costs, [group.name for group in p.groups]


def _integers(model: keras.Model) -> dict[str, int]:
    return {"macs": count(trace(model).macs()), "parameters": model.count_params()}


@every_case
def test_open_is_the_original_and_masks_are_where_they_are_cheap(case: Case) -> None:
    original, masked = _pair(case)
    x = case.entry.inputs()
    expected = alive.run(original, x)
    alive.assert_varies(expected)
    assert np.array_equal(expected[0], alive.run(masked, x)[0])
    gates = {gate.name: gate for gate in kd.gates(masked)}
    assert set(gates) == set(case.gone)
    assert all(g.mask_shape == (1,) and g.min_keep == 0 for g in gates.values())
    on_output = [x for x in masked.layers if isinstance(x, kd.layers.ChannelMask)]
    assert len(on_output) == len(case.on_output)


@every_case
def test_closed_adds_nothing_whatever_is_in_it(case: Case) -> None:
    """Law 2, in training too: no bit moves when the branch's weights do."""
    _, masked = _pair(case, "float32")
    _decide(masked, dict.fromkeys(case.gone, False))
    x, rng = case.entry.inputs(), np.random.default_rng(4)
    weights = masked.get_weights()
    before = [alive.run(masked, x, training)[0] for training in (False, True)]
    masked.set_weights(weights)  # training has moved statistics
    stays = case.left(masked, dict.fromkeys(case.gone, False))
    moved = [x for x in masked.layers if x.name not in stays and x.weights]
    assert moved and all(np.isfinite(array).all() for array in before)
    for layer in moved:
        layer.set_weights(
            [w + rng.uniform(0.5, 2, w.shape) for w in layer.get_weights()]
        )
    for old, training in zip(before, (False, True), strict=True):
        assert np.array_equal(old, alive.run(masked, x, training)[0])
    _decide(masked, dict.fromkeys(case.gone, True))
    assert not np.allclose(before[0], alive.run(masked, x)[0])


@every_case
def test_strip_is_exact_and_costs_are_its_integers(case: Case) -> None:
    """Laws 3 and 4, for the ways to open and close all branches of a model."""
    original, masked = _pair(case)
    costs, names = _costs(original)
    gates = kd.gates(masked)
    assert len(names) == len(gates) > 0
    x = case.entry.inputs()
    for is_open in decisions(case):
        _decide(masked, is_open)
        slim, plan = export.strip(masked), export.plan(masked)
        summary = kd.summary(masked, verbose=False)
        assert {layer.name for layer in slim.layers} == case.left(original, is_open)
        distance = alive.distance(alive.run(masked, x), alive.run(slim, x))
        assert distance <= TOLERANCE, is_open
        assert alive.early_swap(slim, x) > 100 * TOLERANCE
        assert_stock(slim)
        keeps = [gate.keep.astype(float) for gate in gates]
        for name, integer in _integers(slim).items():
            assert costs[name].count(keeps) == integer, (name, is_open)
            assert getattr(plan, name)[1] == integer
            assert summary.total(name)[0] == integer
        assert (str(plan).count(": closed (") > 0) == (not all(is_open.values()))
        assert plan.branches == summary.branches


@every_case
def test_expected_cost_is_the_mean_over_all_decisions(case: Case) -> None:
    costs, names = _costs(alive.build(case.entry))
    v = np.random.default_rng(2).uniform(0.1, 0.9, len(names))
    for cost in costs.values():
        mean = 0.0
        for bits in product([0.0, 1.0], repeat=len(names)):
            chance = np.prod(np.where(bits, v, 1 - v))
            mean += chance * cost.count([np.array([b]) for b in bits])
        np.testing.assert_allclose(cost.count([np.array([p]) for p in v]), mean)


@pytest.mark.parametrize("name", ["nested", "what_ends_a_branch"])
def test_round_trip(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    _, masked = _pair(case, "float32", budget=kd.Budget(macs=0.9))
    for place, gate in enumerate(kd.gates(masked)):
        gate.set_keep(np.array([place % 2 == 0]))
    masked.save(tmp_path / "model.keras")
    clone = keras.models.clone_model(masked)
    clone.set_weights(masked.get_weights())
    x = case.entry.inputs()
    for back in (keras.models.load_model(tmp_path / "model.keras"), clone):
        assert np.array_equal(alive.run(masked, x)[0], alive.run(back, x)[0])
        gates = [[(g.name, g.min_keep) for g in kd.gates(m)] for m in (masked, back)]
        assert gates[0] == gates[1]
        assert not {id(g) for g in kd.gates(back)} & {id(g) for g in kd.gates(masked)}
        assert kd.summary(back, False) == kd.summary(masked, False)


def test_plan_and_summary_say_which_branches_went() -> None:
    _, masked = _pair(CASES["nested"], "float32")
    _decide(masked, {"inner2_branch_gate": False, "outer2_branch_gate": True})
    line = "branch of inner_add: closed (inner1, inner2)"
    assert line in str(export.plan(masked)).splitlines()
    assert line in str(kd.summary(masked, verbose=False)).splitlines()
    _decide(masked, {"inner2_branch_gate": False, "outer2_branch_gate": False})
    (branch,) = export.plan(masked).branches
    assert branch.join == "outer_add"
    assert branch.layers == ("outer1", "inner1", "inner2", "inner_add", "outer2")


def test_fit_meets_a_budget_by_closing_branches() -> None:
    case = CASES["nested"]
    original, masked = _pair(case, "float32", budget=kd.Budget(macs=0.7))
    masked.compile("adam", "mse")
    x = case.entry.inputs()
    masked.fit(x, np.zeros((len(x), 3)), batch_size=6, epochs=3, verbose=0)
    closed = [gate for gate in kd.gates(masked) if not gate.keep.any()]
    slim = export.strip(masked)
    dense, left = _integers(original)["macs"], _integers(slim)["macs"]
    assert closed and all(gate.is_fixed for gate in kd.gates(masked))
    assert left <= 0.7 * dense
    (row,) = kd.summary(masked, verbose=False).budgets
    assert row.decided == left / dense


def test_budget_below_what_stays_is_refused() -> None:
    original = alive.build(CASES["nested"].entry)
    floor = 6 * 5 + 5 * 3
    with pytest.raises(kd.errors.BudgetError) as error:
        kd.mask_model(original, granularity="branch", budget=kd.Budget(macs=floor - 1))
    assert str(error.value).startswith(
        f"Expected macs of at least {floor}, where every branch is closed (0.2632 of "
        f"the dense model's 171); received a budget of {floor - 1}."
    )
    kd.mask_model(original, granularity="branch", budget=kd.Budget(macs=floor))


def test_start_below_one_is_folded_into_weights() -> None:
    low = kd.estimators.HardConcrete(initial_keep=0.6)
    for name in ("nested", "identity_and_projection"):
        case = CASES[name]
        original, masked = _pair(case, "float32", estimator=low)
        assert 0 < alive.array(kd.gates(masked)[0].inference_mask())[0] < 0.95
        x = case.entry.inputs()
        assert alive.distance(alive.run(original, x), alive.run(masked, x)) <= 1e-5
        slim = export.strip(masked)
        assert alive.distance(alive.run(original, x), alive.run(slim, x)) <= 1e-5
        assert not any(isinstance(x, keras.layers.Rescaling) for x in slim.layers)
    with pytest.raises(kd.errors.InvalidArgumentError, match="mask of 'tanh2'"):
        _pair(CASES["what_ends_a_branch"], estimator=low)
