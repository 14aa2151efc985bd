"""What a masked model keeps, layer by layer, as a table."""

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

from keras_diffmask import granularity, keras_internals
from keras_diffmask.graph import (
    ClosedBranch,
    Proof,
    parameters_left,
    prove,
    trace,
    without_macs,
)
from keras_diffmask.layers.masked import MaskedLayer
from keras_diffmask.masking import gates
from keras_diffmask.masking.bake import bake
from keras_diffmask.masking.budgeted import BudgetRow, standing
from keras_diffmask.metrics import confidence, diversity
from keras_diffmask.quantizers import WeightQuantizer, quantizers_of

#: The share of its units below which a layer is named under the table.
_NARROW = 0.1
#: Granularities whose closed elements the strip takes out.
_REMOVED = (granularity.CHANNEL, granularity.BRANCH)


@dataclass(frozen=True)
class LayerRow:
    """One layer; pairs are (after the strip, before).

    Attributes:
        name: the layer's name.
        units: output units, kept and total.
        parameters: entries of its weights.
        macs: multiply-accumulates per example.
        bytes: its weights at float32.
        bits: that its weights are trained for: 8 or 4 with a quantizer, else 32.
    """

    name: str
    units: tuple[int, int]
    parameters: tuple[int, int]
    macs: tuple[int, int]
    bits: int = 32

    @property
    def bytes(self) -> tuple[int, int]:
        return 4 * self.parameters[0], 4 * self.parameters[1]


@dataclass(frozen=True)
class GateRow:
    """One gate that the units column does not tell of.

    That is one on parts finer than a unit, whose closed elements become zeros
    and make no tensor smaller; and one whose elements compete in rows, as
    those of a `TopK` do.

    Attributes:
        name: the gate's name.
        kept: elements that are open at inference.
        total: elements that it has.
        granularity: what an element is, for example `"weight"`.
        confidence: how sure its rows are, 0 to 1 (`metrics.MaskConfidence`);
            None where it has no rows.
        diversity: how much they differ, 0 to 1 (`metrics.MaskDiversity`).
    """

    name: str
    kept: int
    total: int
    granularity: str
    confidence: float | None = None
    diversity: float | None = None

    def __str__(self) -> str:
        text = f"{self.name} ({self.granularity}): keeps {self.kept:,} / {self.total:,}"
        if granularity.kind(self.granularity) not in _REMOVED:
            text += ", the others become zeros"
        if self.confidence is not None:
            text += (
                f", confidence {self.confidence:.3f}, diversity {self.diversity:.3f}"
            )
        return text


@dataclass(frozen=True, repr=False)
class Summary:
    """What `summary` returns; `str` of it is the table.

    Attributes:
        model: the model's name.
        layers: one row per layer with weights or multiply-accumulates.
        budgets: one row per cost that the model's budget names.
        gates: one row per gate whose elements are finer than units, or compete.
        branches: the residual branches that go whole.
        uncounted: names of layers whose multiply-accumulates are not in the table,
            for nobody knows them.
    """

    model: str
    layers: tuple[LayerRow, ...]
    budgets: tuple[BudgetRow, ...]
    gates: tuple[GateRow, ...] = ()
    branches: tuple[ClosedBranch, ...] = ()
    uncounted: tuple[str, ...] = ()

    def total(self, what: str) -> tuple[int, int]:
        """The sum of a column over all layers, (after, before)."""
        pairs = [getattr(row, what) for row in self.layers]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain data, for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        return f"<Summary of {self.model}>"

    def __str__(self) -> str:
        header = ("layer", "units", "parameters", "MACs", "float32 bytes")
        rows = [header, *(_cells(row) for row in self.layers), self._totals()]
        if any(row.bits < 32 for row in self.layers):
            bits = ("weight bits", *(str(row.bits) for row in self.layers), "")
            rows = [(*row, cell) for row, cell in zip(rows, bits, strict=True)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines += [str(branch) for branch in self.branches]
        lines += map(str, self.budgets)
        lines += self._narrow()
        lines += map(str, self.gates)
        lines += without_macs(self.uncounted)
        return "\n".join(lines)

    def _narrow(self) -> list[str]:
        """One line on layers that few units are left of."""
        narrow = [
            f"{row.name} ({row.units[0]} of {row.units[1]})"
            for row in self.layers
            if 0 < row.units[0] < _NARROW * row.units[1]
        ]
        words = f"less than {_NARROW:.0%} of the units are left in: "
        return [words + ", ".join(narrow)] if narrow else []

    def _totals(self) -> tuple[str, ...]:
        columns = (self.total(what) for what in ("parameters", "macs", "bytes"))
        return ("total", "", *(_pair(pair) for pair in columns))


def summary(model: keras.Model, verbose: bool = True) -> Summary:
    """Print, per layer, what a masked model keeps of what it has.

    The figures are those of the model that `export.strip` would return now:
    kept / total output units, and weights, multiply-accumulates and bytes.
    Gates on parts finer than a unit each add a line: how many of them are open,
    for the zeros of the others make no tensor smaller. So do those whose
    elements compete in rows (`TopK`): how sure the rows are of what they
    select, and how much they differ, both from 0 to 1. With quantizers in the
    model, a last column tells how many bits each layer's weights are trained for.

    Args:
        model: a Sequential or Functional model, masked or not.
        verbose: whether to print the table.

    Returns:
        A `Summary`, for reading the figures.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt or not Keras 3.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), kd.layers.MaskedDense(8),
    ...                           keras.layers.Dense(2)])
    >>> kd.summary(model, verbose=False).layers[0].units
    (8, 8)
    """
    proof = prove(trace(bake(model)))
    result = Summary(
        model.name,
        _layer_rows(proof, _weight_bits(model)),
        _budget_rows(model),
        _gate_rows(model),
        proof.closed_branches(),
        proof.graph.uncounted(),
    )
    if verbose:
        print(result)
    return result


def _weight_bits(model: keras.Model) -> dict[str, int]:
    """Of the layers with a quantizer, by their names."""
    bits = {}
    for layer in keras_internals.flatten_layers(model):
        found = (q for q in quantizers_of(layer) if isinstance(q, WeightQuantizer))
        if narrow := [quantizer.bits for quantizer in found]:
            bits[layer.name] = min(narrow)
    return bits


def _layer_rows(proof: Proof, bits: dict[str, int]) -> tuple[LayerRow, ...]:
    macs = proof.count(proof.graph.macs())
    parameters = proof.count(proof.graph.parameters(), of_weights=True)
    left = parameters_left(proof)
    live = {id(step) for step in proof.live}
    rows: dict[str, LayerRow] = {}
    for step in proof.graph.steps:
        has_figures = macs.get(step.name) or parameters.get(step.name, (0, 0))[0]
        if not has_figures or step.name in rows:
            continue
        stays = proof.stays(step.outputs[0])
        kept = int(stays.sum()) if id(step) in live else 0
        rows[step.name] = LayerRow(
            name=step.name,
            units=(kept, len(stays)),
            parameters=(left.get(step.name, 0), parameters.get(step.name, (0, 0))[0]),
            macs=macs.get(step.name, (0, 0))[::-1],
            bits=bits.get(step.name, 32),
        )
    return tuple(rows.values())


def _budget_rows(model: keras.Model) -> tuple[BudgetRow, ...]:
    now = standing(model)
    return () if now is None else now.rows


def _gate_rows(model: keras.Model) -> tuple[GateRow, ...]:
    layers = keras_internals.flatten_layers(model)
    levels = {
        id(layer.gate): layer.granularity
        for layer in layers
        if isinstance(layer, MaskedLayer) and layer.gate is not None
    }
    rows = []
    for gate in gates(model):
        level = levels.get(id(gate), granularity.CHANNEL)
        if gate.rows is None and granularity.kind(level) in _REMOVED:
            continue
        counts = int(gate.keep.sum()), gate.units
        figures: tuple[float, ...] = ()
        if gate.rows is not None:
            logits = gate.competing_logits()
            measured = ops.stack([confidence(logits), diversity(logits)])
            figures = tuple(map(float, ops.convert_to_numpy(measured)))
        rows.append(GateRow(gate.name, *counts, level, *figures))
    return tuple(rows)


def _cells(row: LayerRow) -> tuple[str, ...]:
    units = f"{row.units[0]} / {row.units[1]}"
    pairs = (row.parameters, row.macs, row.bytes)
    return (row.name, units, *(_pair(pair) for pair in pairs))


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]:,} / {pair[1]:,}"
