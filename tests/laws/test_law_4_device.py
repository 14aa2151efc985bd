"""Law 4 for what is counted on the device: flash and RAM."""

import json
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.costs import (
    ON_DEVICE,
    Flash,
    Gating,
    Ram,
    device_cost,
    from_config,
    gated_cost,
)
from keras_diffmask.costs.device_bytes import FILE_SCALE, KINDS
from keras_diffmask.graph import trace
from keras_diffmask.lowering import Program, compiled
from keras_diffmask.masking.placement import place
from tests.laws import alive
from tests.laws.test_law_3_strip import CLOSURES, close_wholly
from tests.laws.zoo import Entry

# A slice of a gate's channels counts on average; and where a normalization
# loses its input, the strip writes other operators. No exporter takes either.
_ON_AVERAGE = ("operators",)
_REWRITTEN = ("transformer_block",)
every_model = pytest.mark.parametrize(
    "entry", [e for e in alive.CHOSEN if e.name not in _ON_AVERAGE], ids=str
)
every_closure = pytest.mark.parametrize(
    ("entry", "places"), [c for c in CLOSURES if c[0].name not in _REWRITTEN], ids=str
)


@cache
def _costs(name: str) -> tuple[Flash | Ram, Flash | Ram]:
    graph = trace(alive.pair(name)[0])
    p = place(graph)
    flash, ram = (
        gated_cost(cost, graph, p.gate_of, p.sizes, p.branches) for cost in ON_DEVICE
    )
    assert isinstance(flash, Flash) and isinstance(ram, Ram)
    return flash, ram


def _assert_that_of_the_stripped_model(name: str, masked: keras.Model) -> None:
    gating = Gating.without_gates(trace(export.strip(masked)))
    for cost in _costs(name):
        left = device_cost(cost.name, gating).count([])
        assert cost.count(alive.keeps(masked)) == pytest.approx(left, abs=0.01), (
            cost.name
        )


@every_model
def test_cost_of_a_decision_is_that_of_the_stripped_model(entry: Entry) -> None:
    masked = alive.pair(entry.name)[1]
    alive.decide_by_chance(masked, len(entry.name))
    _assert_that_of_the_stripped_model(entry.name, masked)


@every_closure
def test_cost_of_closed_branches(entry: Entry, places: tuple[int, ...]) -> None:
    masked = alive.pair(entry.name)[1]
    close_wholly(masked, places)
    _assert_that_of_the_stripped_model(entry.name, masked)


@pytest.mark.skipif(not alive.TENSORFLOW, reason="the model is not chosen")
def test_cost_of_zeros_put_back_before_a_normalization() -> None:
    """A LayerNormalization keeps its width: a PAD before it, a slice behind."""
    masked = alive.pair("transformer_block")[1]
    trunk, *others = kd.gates(masked)
    for gate in others:
        gate.set_keep(np.arange(gate.units) > 0)
    for kept in (8, 5):
        trunk.set_keep(np.arange(8) < kept)
        _assert_that_of_the_stripped_model("transformer_block", masked)
        flash, _ = _costs("transformer_block")
        left = flash.left([*(float(keep.sum()) for keep in alive.keeps(masked)), 1.0])
        assert [op.kind for op in left.ops].count("PAD") == 3 * (kept < 8)


@pytest.mark.skipif(not alive.TENSORFLOW, reason="the model is not chosen")
@pytest.mark.parametrize("heads", [1, 2, 3])
def test_cost_of_a_single_head(heads: int) -> None:
    """Its axis moves nowhere: the keys alone are transposed."""
    masked = alive.pair("transformer_block")[1]
    for gate in kd.gates(masked):
        many = heads if gate.units == 3 else gate.units
        gate.set_keep(np.arange(gate.units) < many)
    _assert_that_of_the_stripped_model("transformer_block", masked)
    flash, _ = _costs("transformer_block")
    keeps = alive.keeps(masked)
    left = flash.left([*(float(keep.sum()) for keep in keeps), 1.0])
    kinds = [op.kind for op in left.ops]
    assert kinds.count("TRANSPOSE") == (1 if heads == 1 else 4)
    tensors = [keras.ops.convert_to_tensor(keep.astype("float32")) for keep in keeps]
    assert float(flash.expected(tensors)) == pytest.approx(flash.count(keeps), rel=1e-6)


@every_model
def test_one_key_is_one_constant(entry: Entry) -> None:
    """Or the expectation counts another one than the count."""
    flash, _ = _costs(entry.name)
    found: dict[str, Any] = {}
    for op in flash.program.ops:
        for weight in (*op.weights, *filter(None, [op.spare])):
            size = (weight.size, weight.bytes)
            assert found.setdefault(weight.key, size) == size


def _weight_bytes(program: Program) -> float:
    weights = {w.key: w for op in program.ops for w in op.weights}
    return sum(
        w.bytes * w.size.of([1.0]) + FILE_SCALE * w.scales.of([1.0])
        for w in weights.values()
    )


#: Models in which every BatchNormalization folds into a kernel before it.
_FOLDED = [
    "cnn_with_norm",
    "cnn_with_bias",
    "residual",
    "long_branch",
    "pooling",
    "flatten_to_dense",
    "sequential",
    "stacked_lstm",
    "lstm_to_pooling",
    "lstm_in_branch",
    "grouped",
    "two_inputs",
    "nested",
]


def _by_layer(layer: Any, normed: bool) -> int:
    """Bytes of a layer's weights in the file, from its own arrays."""
    arrays = {w.name: keras.ops.convert_to_numpy(w) for w in layer.weights}
    if isinstance(layer, keras.layers.LSTM):
        units, rows = layer.units, arrays["kernel"].shape[0]
        # Four gates: a kernel, a recurrent kernel and an int32 bias each.
        return 4 * (rows * units + units * units + 4 * units + 3 * 12)
    if "kernel" not in arrays:
        return 0
    channels = arrays["kernel"].shape[-1]
    scales = 1 if isinstance(layer, keras.layers.Dense) else channels
    has_bias = layer.use_bias or normed
    return arrays["kernel"].size + 12 * scales + has_bias * (4 * channels + 12 * scales)


@pytest.mark.parametrize(
    "name", [n for n in _FOLDED if alive.MODELS[n] in alive.CHOSEN]
)
def test_weights_counted_layer_by_layer(name: str) -> None:
    """By a counter that knows no graph: array sizes of the stripped layers."""
    masked = alive.pair(name)[1]
    alive.decide_by_chance(masked, 7)
    slim = export.strip(masked)
    normed = {
        id(node.operation)
        for layer in slim.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for node in layer._inbound_nodes[0].parent_nodes
    }
    expected = sum(_by_layer(layer, id(layer) in normed) for layer in slim.layers)
    flash, _ = _costs(name)
    sums = [*(float(keep.sum()) for keep in alive.keeps(masked)), 1.0]
    left = flash.left(sums)
    weights = {w.key: w for op in left.ops for w in op.weights}
    counted = sum(
        w.bytes * w.size.of(sums) + 12 * w.scales.of(sums) for w in weights.values()
    )
    assert counted == expected
    assert counted == _weight_bytes(
        compiled(device_cost("flash", Gating.without_gates(trace(slim))).program)
    )


@every_model
def test_config_and_tensors(entry: Entry) -> None:
    """Through JSON, and on tensors: the same figures."""
    rng = np.random.default_rng(3)
    for cost in _costs(entry.name):
        sizes = place(trace(alive.pair(entry.name)[0])).sizes
        values = [rng.uniform(0.05, 0.95, size) for size in sizes]
        again = from_config(json.loads(json.dumps(cost.get_config())))
        ones = [np.ones(size) for size in sizes]
        assert again.count(ones) == cost.count(ones) == cost.dense(sizes)
        assert again.count(values) == pytest.approx(cost.count(values), rel=1e-12)
        tensors = [keras.ops.convert_to_tensor(v.astype("float32")) for v in values]
        got = float(alive.array(cost.expected(tensors)))
        assert got == pytest.approx(cost.count(values), rel=1e-5)


@every_model
def test_expected_at_a_decision(entry: Entry) -> None:
    """Flash to the byte; RAM where the planner's gaps stay in proportion."""
    masked = alive.pair(entry.name)[1]
    alive.decide_by_chance(masked, 11)
    keeps = alive.keeps(masked)
    tensors = [keras.ops.convert_to_tensor(keep.astype("float32")) for keep in keeps]
    flash, ram = _costs(entry.name)
    assert float(flash.expected(tensors)) == pytest.approx(flash.count(keeps), rel=1e-6)
    # A plan of what is left may have other gaps than that of the dense model.
    assert float(ram.expected(tensors)) == pytest.approx(ram.count(keeps), rel=0.1)


def test_every_kind_of_operator_has_its_bytes() -> None:
    """The table of layers names no operator that the table of bytes lacks."""
    kinds = set()
    for entry in alive.CHOSEN:
        flash, _ = _costs(entry.name)
        kinds |= {op.kind for op in compiled(flash.program).ops}
    assert kinds - set(KINDS) <= {"OTHER"}
