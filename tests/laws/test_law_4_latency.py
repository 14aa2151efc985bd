"""Law 4 for latency: what is counted on a decision is that of the stripped model."""

import json
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.costs import Latency, from_config
from keras_diffmask.graph import trace
from keras_diffmask.lowering import compiled
from tests.costs.latency_tables import gating_of, program_of, synthetic
from tests.laws import alive
from tests.laws.test_law_3_strip import CLOSURES, close_wholly
from tests.laws.zoo import Entry
from tests.reference.gradients import autodiff

# As in test_law_4_device.py: not yet lowered as the exporter writes them.
_ON_AVERAGE = ("operators",)
_REWRITTEN = ("transformer_block",)
every_model = pytest.mark.parametrize(
    "entry", [e for e in alive.CHOSEN if e.name not in _ON_AVERAGE], ids=str
)
# What cutting adds in operators, or takes of them, is in no table.
_SAME_OPERATORS = [
    e
    for e in alive.CHOSEN
    if e.name not in (*_ON_AVERAGE, "transformer_block", "recurrent_kinds")
]
every_closure = pytest.mark.parametrize(
    ("entry", "places"),
    [c for c in CLOSURES if c[0].name not in _REWRITTEN][
        :: 1 if alive.TENSORFLOW else 3
    ],
    ids=str,
)


@cache
def _cost(name: str) -> Latency:
    gating = gating_of(trace(alive.pair(name)[0]))
    return Latency.of(gating, synthetic(gating))


@every_model
def test_latency_of_a_decision_is_that_of_the_stripped_model(entry: Entry) -> None:
    masked = alive.pair(entry.name)[1]
    alive.decide_by_chance(masked, len(entry.name))
    cost = _cost(entry.name)
    assert cost.count(alive.keeps(masked)) == cost.of_stripped(
        trace(export.strip(masked))
    )


@every_closure
def test_latency_of_closed_branches(entry: Entry, places: tuple[int, ...]) -> None:
    masked = alive.pair(entry.name)[1]
    close_wholly(masked, places)
    cost = _cost(entry.name)
    assert cost.count(alive.keeps(masked)) == cost.of_stripped(
        trace(export.strip(masked))
    )


@every_model
def test_config_and_tensors(entry: Entry) -> None:
    """Through JSON, and on tensors: the same figures."""
    cost = _cost(entry.name)
    rng = np.random.default_rng(3)
    again = from_config(json.loads(json.dumps(cost.get_config())))
    ones = [np.ones(size) for size in cost.sizes]
    assert again.count(ones) == cost.count(ones) == cost.dense(cost.sizes)
    values = [rng.uniform(0.05, 0.95, size) for size in cost.sizes]
    assert again.count(values) == pytest.approx(cost.count(values), rel=1e-12)
    masked = alive.pair(entry.name)[1]
    alive.decide_by_chance(masked, 11)
    for vector in (values, alive.keeps(masked)):
        tensors = [keras.ops.convert_to_tensor(v.astype("float32")) for v in vector]
        got = float(alive.array(cost.expected(tensors)))
        assert got == pytest.approx(cost.count(vector), rel=1e-4)


def _by_numpy(cost: Latency, table: Any, name: str, keeps: list[np.ndarray]) -> float:
    """Looked up with `np.interp`, operator by operator of the dense model."""
    program = program_of(gating_of(trace(alive.pair(name)[0])))
    left = [*(float(keep.sum()) for keep in keeps), 1.0]
    dense = [*map(float, cost.sizes), 1.0]
    total = table.call_ns
    for row in table.rows:
        op = program.ops[row.place]
        source, result = (program.tensors[t[0]].size for t in (op.inputs, op.outputs))
        x = row.inputs[-1] * source.of(left) / source.of(dense)
        y = row.outputs[-1] * result.of(left) / result.of(dense)
        at_y = [np.interp(y, row.outputs, ns) for ns in row.ns]
        total += table.scale * np.interp(x, row.inputs, at_y)
    return total


@pytest.mark.parametrize("entry", _SAME_OPERATORS, ids=str)
def test_interpolated_as_numpy_does(entry: Entry) -> None:
    cost = _cost(entry.name)
    table = synthetic(gating_of(trace(alive.pair(entry.name)[0])))
    masked = alive.pair(entry.name)[1]
    for seed in range(3):
        alive.decide_by_chance(masked, seed)
        keeps = alive.keeps(masked)
        expected = _by_numpy(cost, table, entry.name, keeps)
        # Each operator is rounded to whole nanoseconds.
        assert cost.count(keeps) == pytest.approx(expected, abs=len(table.rows) / 2 + 1)


def test_gradient_of_a_gate() -> None:
    """Towards fewer channels on every step, and through a branch that may go."""
    masked = alive.pair("residual")[1]
    cost = _cost("residual")
    for place, gate in enumerate(kd.gates(masked)):

        def at(value: Any, place: int = place) -> Any:
            values = [np.full(size, 0.7, "float32") for size in cost.sizes]
            tensors = [keras.ops.convert_to_tensor(v) for v in values]
            tensors[place] = value
            return cost.expected(tensors)

        slopes = autodiff(at, np.full(gate.units, 0.7))
        assert np.all(slopes > 0) and slopes.max() == pytest.approx(slopes.min())


def test_a_branch_counts_as_often_as_it_lives() -> None:
    """Closed wholly, it takes nothing; in between, its share of the time."""
    masked = alive.pair("residual")[1]
    cost = _cost("residual")
    (place,) = [k for k, gate in enumerate(kd.gates(masked)) if gate.min_keep == 0][:1]
    values = [np.ones(size, "float32") for size in cost.sizes]

    def at(p: float) -> float:
        values[place][:] = p
        tensors = [keras.ops.convert_to_tensor(v) for v in values]
        return float(alive.array(cost.expected(tensors)))

    inside = [op for op in compiled(cost.program).ops if op.alive == ((place,),)]
    assert inside, "a branch that this gate alone is in"
    closed, almost = at(0.0), at(0.01)
    rows = {row.key[:2]: row.grid.values[0][0] for row in cost.rows}
    # At least the times at one channel, of each operator with the branch's life.
    gone = sum(cost.scale * rows[op.name, op.kind] for op in inside)
    p_alive = 1.0 - 0.99 ** cost.sizes[place]
    assert almost - closed >= 0.5 * p_alive * gone > 0
    assert at(1.0) - closed >= gone
