"""Law 3: the stripped model computes the masked model's function, and is smaller."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.export.surgery import Plan
from keras_diffmask.graph import count, trace
from keras_diffmask.keras_internals import flatten_layers
from tests.laws import alive
from tests.laws.alive import CHOSEN, MODELS
from tests.laws.zoo import Entry

every_model = pytest.mark.parametrize("entry", CHOSEN, ids=str)
float64 = pytest.mark.skipif(
    not alive.TENSORFLOW, reason="float64 needs a switch of JAX's own"
)


def _masked(entry: Entry, closed: float, dtype: str = "float32") -> tuple[Any, Any]:
    """The original and its masked copy, with that share of every gate closed."""
    original, masked = alive.pair(entry.name, dtype)
    alive.decide(masked, closed, seed=round(100 * closed))
    return original, masked


def assert_exact_counts(
    masked: keras.Model, slim: keras.Model, plan: Plan
) -> list[str]:
    """Every closed unit is gone, in the layers themselves; return what went whole."""
    layers = {layer.name: layer for layer in slim.layers}
    rows = {row.name: row for row in plan.rows}
    gone = [name for row in plan.rows if row.removed for name in row.layers]
    assert not any(name in layers for name in gone)
    for gate in kd.gates(masked):
        row, kept = rows[gate.name.removesuffix("_gate")], int(gate.keep.sum())
        assert row.removed or kept > 0, f"{gate.name} is closed, and still there"
        assert row.removed or row.kept == kept, f"{gate.name}: {kept} units are open"
    # One of several tied layers may lie in a branch that is gone.
    for name in {name for row in plan.rows for name in row.layers} & set(layers):
        writes = [row for row in plan.rows if name in row.layers]
        left = _width(layers[name])
        if left is not None and not any(row.protected for row in writes):
            # Where a group convolution ties channels, a unit is several of them.
            share = sum(r.kept for r in writes) / sum(r.total for r in writes)
            assert left == share * _width(masked.get_layer(name)), name
    return gone


def _width(layer: keras.layers.Layer) -> int | None:
    config = layer.get_config()
    return config.get("units", config.get("filters"))


def assert_stock(model: keras.Model) -> None:
    for layer in [*flatten_layers(model), *model.operations]:
        assert type(layer).__module__.startswith("keras.src."), type(layer)


def assert_explained(masked: keras.Model, plan: Plan) -> None:
    """Whatever is closed and stays has its reason."""
    rows = {row.name: row for row in plan.rows}
    for gate in kd.gates(masked):
        row = rows[gate.name.removesuffix("_gate")]
        stays = row.kept - int(gate.keep.sum())
        assert sum(row.stays.values()) == stays, (gate.name, row)
        assert row.protected is None and row.total == gate.units


@pytest.mark.parametrize(
    ("entry", "closed"),
    # In float64 every model loses half; `python -m tests.applications` does all.
    [(entry, (0.3, 0.5, 0.7)[place % 3]) for place, entry in enumerate(CHOSEN)],
    ids=str,
)
def test_strip_is_exact_and_counts(entry: Entry, closed: float) -> None:
    original, masked = _masked(entry, closed)
    x = entry.inputs()
    alive.assert_varies(alive.run(original, x))
    before = [alive.fingerprint(model) for model in (original, masked)]
    expected = alive.run(masked, x)
    slim, plan = export.strip(masked), export.plan(masked)

    tolerance, distance = 1e-5, alive.distance(expected, alive.run(slim, x))
    if distance > tolerance and alive.TENSORFLOW:
        tolerance = max(tolerance, 4 * _own_distance(entry, masked, expected, x))
    assert distance <= tolerance
    assert alive.early_swap(slim, x) > 100 * tolerance, "two channels are alike"

    assert assert_exact_counts(masked, slim, plan) == []
    if entry.stock:
        assert_stock(slim)
    assert_explained(masked, plan)
    for model, old in zip((original, masked), before, strict=True):
        alive.assert_untouched(model, old)
    assert plan.parameters == (original.count_params(), slim.count_params())
    assert plan.macs == tuple(count(trace(m).macs()) for m in (original, slim))
    assert plan.removed_units > 0 and plan.macs[1] < plan.macs[0]


def _own_distance(entry: Entry, masked: Any, expected: list, x: Any) -> float:
    """How far float32 takes the masked model itself from float64."""
    _, wide = alive.pair(entry.name, "float64")
    for source, target in zip(kd.gates(masked), kd.gates(wide), strict=True):
        target.set_keep(source.keep)
    return alive.distance(alive.run(wide, x), expected)


@float64
@every_model
def test_strip_is_exact_in_float64(entry: Entry) -> None:
    """`python -m tests.applications` does so at 30 and 70 % as well."""
    _, masked = _masked(entry, 0.5, "float64")
    x = entry.inputs()
    expected = alive.run(masked, x)
    assert expected[0].dtype == np.float64
    slim = export.strip(masked)
    assert alive.distance(expected, alive.run(slim, x)) <= 1e-9


BRANCHES = [
    ("residual", (0, 1)),
    ("pre_activation", (0, 1)),
    ("long_branch", (0,)),
    ("lstm_in_branch", (0,)),
    ("shared_in_branches", (0, 1)),
    ("input_used_twice", (0,)),
    ("transformer_block", (0,)),
    ("inverted_residuals", (0, 1)),
]
CLOSURES = [
    (MODELS[name], chosen)
    for name, places in BRANCHES
    for chosen in dict.fromkeys([*((place,) for place in places), places])
]


def close_wholly(masked: keras.Model, places: tuple[int, ...]) -> None:
    """Close all of some gates that may be, and half of every other."""
    alive.decide(masked, 0.5)
    droppable = [gate for gate in kd.gates(masked) if gate.min_keep == 0]
    for place in places:
        droppable[place].set_keep(np.zeros(droppable[place].mask_shape, bool))


@pytest.mark.parametrize(("entry", "places"), CLOSURES, ids=str)
def test_a_closed_branch_goes_whole(entry: Entry, places: tuple[int, ...]) -> None:
    dtype = "float64" if alive.TENSORFLOW else "float32"
    original, masked = _masked(entry, 0.0, dtype)
    close_wholly(masked, places)
    x = entry.inputs()
    slim, plan = export.strip(masked), export.plan(masked)
    tolerance = 1e-9 if alive.TENSORFLOW else 1e-5
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= tolerance
    assert alive.early_swap(slim, x) > 100 * tolerance
    assert assert_exact_counts(masked, slim, plan)
    assert "the whole branch goes" in str(plan)
    assert_stock(slim)
    assert len(slim.layers) < len(original.layers)


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="what can be closed is the graph's alone"
)
def test_every_branch_of_the_zoo_is_closed_by_a_test() -> None:
    listed = dict(BRANCHES)
    for entry in MODELS.values():
        gates = kd.gates(alive.pair(entry.name)[1])
        droppable = [gate for gate in gates if gate.min_keep == 0]
        assert len(droppable) == len(listed.get(entry.name, ())), entry.name


@pytest.mark.parametrize(
    "name", ["cnn_with_norm", "residual", "stacked_lstm", "shared_layer"]
)
def test_stripped_model_trains_and_strips_to_itself(name: str) -> None:
    entry = MODELS[name]
    _, masked = _masked(entry, 0.5)
    slim = export.strip(masked)
    x, before = entry.inputs(), alive.run(slim, entry.inputs())
    again = export.strip(slim)
    assert alive.distance(before, alive.run(again, x)) <= 1e-6
    shapes = [[w.shape for w in model.weights] for model in (slim, again)]
    assert shapes[0] == shapes[1]
    slim.compile("adam", "mse")
    slim.fit(x, np.zeros_like(before[0]), epochs=1, verbose=0)
    assert alive.distance(before, alive.run(slim, x)) > 0


CHILD = """
import sys
sys.modules["keras_diffmask"] = None
import keras, numpy as np
from keras import tree
for path in sys.argv[1:]:
    data = np.load(path.replace(".keras", ".npz"))
    x = [data[k] for k in sorted(data) if k.startswith("x")]
    model = keras.saving.load_model(path)
    outputs = tree.flatten(model(x if len(x) > 1 else x[0], training=False))
    for i, y in enumerate(outputs):
        y = keras.ops.convert_to_numpy(y)
        np.testing.assert_allclose(y, data[f"y{i}"], rtol=1e-4, atol=1e-5)
"""


def test_stripped_models_load_without_the_library(tmp_path: Path) -> None:
    """One child process for every other one: most of its time is spent importing."""
    paths = []
    for entry in CHOSEN[::2]:
        if not entry.stock:
            continue
        _, masked = _masked(entry, 0.5)
        slim, x = export.strip(masked), entry.inputs()
        path = tmp_path / f"{entry.name}.keras"
        slim.save(path)
        xs = x if isinstance(x, list) else [x]
        arrays = {f"x{i}": a for i, a in enumerate(xs)}
        arrays |= {f"y{i}": a for i, a in enumerate(alive.run(slim, x))}
        np.savez(path.with_suffix(".npz"), **arrays)
        paths.append(str(path))
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *paths], capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr[-3000:]
