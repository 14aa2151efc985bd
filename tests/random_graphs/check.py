"""Laws 1, 2, 3 and 5 on one graph."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.keras_internals import flatten_layers
from tests.laws import alive
from tests.laws.zoo_shared import Unknown
from tests.random_graphs.constants import leave_constants
from tests.random_graphs.finish import Graph

SHARES = (0.3, 0.5, 0.7)


@dataclass
class Outcome:
    """What the laws had to hold on to in one graph.

    Attributes:
        kinds: names of the kinds of layers in it.
        gates: how many there are; 0 where nothing can be masked.
        closed: units that were closed, over all decisions.
        gone: how many of those the strip took out.
        dead: the output hardly varies with the input, so that laws are empty.
        quiet: decisions that moved the output by less than 100 tolerances.
        wide: decisions judged by the float64 twin, rather than by 1e-5.
        round_trip: whether law 5 was checked.
    """

    kinds: frozenset[str]
    gates: int = 0
    closed: int = 0
    gone: int = 0
    dead: bool = False
    quiet: int = 0
    wide: int = 0
    round_trip: bool = False


def check(graph: Graph) -> Outcome:
    """Hold the laws on a graph; AssertionError where one is broken."""
    x, outcome = graph.inputs(), Outcome(graph.kinds)
    expected = alive.run(graph.model, x)
    assert all(np.all(np.isfinite(y)) for y in expected), "the graph is not finite"
    outcome.dead = is_dead(expected)
    before = alive.fingerprint(graph.model)
    try:
        masked = kd.mask_model(graph.model)
    except UnsupportedModelError as error:
        # Any other refusal is a failure: nothing else in a graph is unsupported.
        assert "at least one layer whose channels can be removed" in str(error)
        assert_exact(graph, None, export.strip(graph.model), expected, outcome)
        return outcome
    outcome.gates = len(kd.gates(masked))
    assert outcome.gates > 0
    assert_open(masked, expected, x)
    if graph.round_trip:
        outcome.round_trip = True
        assert_round_trip(masked, x)
    for share in SHARES:
        assert_strip(graph, masked, expected, share, outcome)
    alive.assert_untouched(graph.model, before)
    assert_constants(graph, outcome)
    return outcome


def assert_constants(graph: Graph, outcome: Outcome) -> None:
    """Law 3 without masks, where weights leave constants other than 0 behind."""
    before = [alive.array(weight).copy() for weight in graph.model.weights]
    try:
        leave_constants(graph.model, seed=len(before))
        expected = alive.run(graph.model, graph.inputs())
        if not all(np.all(np.isfinite(y)) for y in expected):
            return
        slim = export.strip(graph.model)
        assert_exact(graph, None, slim, expected, outcome)
        assert export.plan(graph.model).parameters[1] == slim.count_params()
    finally:
        for weight, value in zip(graph.model.weights, before, strict=True):
            weight.assign(value)


def is_dead(outputs: list[np.ndarray]) -> bool:
    """Whether an output varies with the input by less than 5 % of its scale."""
    return any(
        np.std(y, axis=0).max() < 0.05 * np.max(np.abs(y)) or np.ptp(y) == 0
        for y in outputs
    )


def assert_open(masked: keras.Model, expected: list, x: Any) -> None:
    """Law 1: fresh gates, and gates held open by hand, bit for bit."""
    for held in (False, True):
        for gate in kd.gates(masked) if held else []:
            gate.set_keep(np.ones(gate.mask_shape, bool))
        for a, b in zip(expected, alive.run(masked, x), strict=True):
            assert np.array_equal(a, b), "open gates change the output"


def decide(model: keras.Model, share: float, seed: int) -> None:
    """Close that share of every gate, and all of some that may lose all."""
    rng = np.random.default_rng(seed)
    for gate in kd.gates(model):
        whole = gate.min_keep == 0 and rng.random() < 0.3
        count = gate.units if whole else round(share * gate.units)
        keep = np.arange(gate.units) >= min(count, gate.units - gate.min_keep)
        gate.set_keep(rng.permutation(keep).reshape(gate.mask_shape))


def assert_strip(
    graph: Graph, masked: keras.Model, dense: list, share: float, outcome: Outcome
) -> None:
    """Laws 2 and 3 for one random decision."""
    decide(masked, share, seed=round(100 * share))
    before, expected = alive.fingerprint(masked), alive.run(masked, graph.inputs())
    slim, plan = export.strip(masked), export.plan(masked)
    tolerance = assert_exact(graph, masked, slim, expected, outcome)
    outcome.quiet += alive.distance(dense, expected) <= 100 * tolerance
    assert_explained(masked, plan, unread(graph.model), outcome)
    assert_stock(graph, slim)
    assert plan.parameters == (graph.model.count_params(), slim.count_params())
    alive.assert_untouched(masked, before)


def assert_exact(
    graph: Graph, masked: Any, slim: keras.Model, expected: list, outcome: Outcome
) -> float:
    """The stripped model computes the masked one's function; the tolerance."""
    tolerance = 1e-5
    distance = alive.distance(expected, alive.run(slim, graph.inputs()))
    if not distance <= tolerance:  # also where it is NaN
        outcome.wide += 1
        tolerance = max(tolerance, 4 * own_distance(graph, masked, expected))
    assert distance <= tolerance, f"the strip is {distance:.1e} off ({tolerance:.1e})"
    return tolerance


def own_distance(graph: Graph, masked: Any, expected: list) -> float:
    """How far float32 takes the masked model itself from float64."""
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("float64")
        twin = graph.twin()
    finally:
        keras.config.set_dtype_policy(policy)
    for source, target in zip(graph.model.variables, twin.variables, strict=True):
        target.assign(alive.array(source).astype(target.dtype))
    if masked is not None:
        twin = kd.mask_model(twin)
        for source, target in zip(kd.gates(masked), kd.gates(twin), strict=True):
            target.set_keep(source.keep)
    return alive.distance(alive.run(twin, graph.inputs()), expected)


def unread(model: keras.Model) -> dict[str, int]:
    """How many units no layer reads: those go though their gates are open."""
    return {row.name: row.total - row.kept for row in export.plan(model).rows}


def assert_explained(
    masked: keras.Model, plan: Any, dead: dict[str, int], outcome: Outcome
) -> None:
    """Every closed unit is gone, or the plan says why not."""
    for gate in kd.gates(masked):
        name = gate.name.removesuffix("_gate")
        rows = [row for row in plan.rows if row.name == name]
        assert len(rows) == 1, f"{len(rows)} rows of the plan are named {name!r}"
        row, kept = rows[0], int(gate.keep.sum())
        assert row.total == gate.units, (name, row)
        outcome.closed += gate.units - kept
        if row.removed:  # with a branch, open units and all
            assert row.kept == 0, (name, row)
            outcome.gone += gate.units - kept
            continue
        more = kept + sum(row.stays.values()) - row.kept
        # Those that were open go where no layer reads them, or none does any more.
        most = kept if any(row.removed for row in plan.rows) else dead[name]
        assert 0 <= more <= most, (name, kept, row)
        outcome.gone += row.total - row.kept


def assert_stock(graph: Graph, slim: keras.Model) -> None:
    allowed = (Unknown,) if "Unknown layer" in graph.kinds else ()
    for layer in [*flatten_layers(slim), *slim.operations]:
        module = type(layer).__module__
        assert module.startswith("keras.src.") or isinstance(layer, allowed), layer


def loaded(model: keras.Model) -> keras.Model:
    """The model, saved and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        return keras.saving.load_model(Path(folder) / "model.keras")


def assert_round_trip(masked: keras.Model, x: Any) -> None:
    """Law 5: saved and loaded, the same outputs, and the same gates."""
    decide(masked, 0.4, seed=2)
    again = loaded(masked)
    old, new = kd.gates(masked), kd.gates(again)
    assert [gate.name for gate in old] == [gate.name for gate in new]
    for seed in (2, 4):  # as saved; and each gate still closes all of its members
        for model in (masked, again):
            if seed != 2:
                decide(model, 0.5, seed)
        for a, b in zip(alive.run(masked, x), alive.run(again, x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
