"""What a masked model keeps, layer by layer, as a table."""

from dataclasses import asdict, dataclass
from typing import Any

import keras

from keras_diffmask.graph import ClosedBranch, Proof, prove, trace
from keras_diffmask.masking import gates
from keras_diffmask.masking.bake import bake
from keras_diffmask.masking.budgeted import BudgetRow, standing
from keras_diffmask.metrics import confidence, diversity


@dataclass(frozen=True)
class LayerRow:
    """One layer; pairs are (after the strip, before).

    Attributes:
        name: the layer's name.
        units: output units, kept and total.
        parameters: entries of its weights.
        macs: multiply-accumulates per example.
        bytes: its weights at float32.
    """

    name: str
    units: tuple[int, int]
    parameters: tuple[int, int]
    macs: tuple[int, int]

    @property
    def bytes(self) -> tuple[int, int]:
        return 4 * self.parameters[0], 4 * self.parameters[1]


@dataclass(frozen=True)
class GateRow:
    """One gate whose elements compete in rows, as those of a `TopK` do.

    Attributes:
        name: the gate's name.
        kept: elements that are open at inference.
        total: elements that it has.
        confidence: how sure its rows are, 0 to 1 (`metrics.MaskConfidence`).
        diversity: how much they differ, 0 to 1 (`metrics.MaskDiversity`).
    """

    name: str
    kept: int
    total: int
    confidence: float
    diversity: float


@dataclass(frozen=True)
class Summary:
    """What `summary` returns; `str` of it is the table.

    Attributes:
        model: the model's name.
        layers: one row per layer with weights or multiply-accumulates.
        budgets: one row per cost that the model's budget names.
        gates: one row per gate whose elements compete in rows.
        branches: the residual branches that go whole.
    """

    model: str
    layers: tuple[LayerRow, ...]
    budgets: tuple[BudgetRow, ...]
    gates: tuple[GateRow, ...] = ()
    branches: tuple[ClosedBranch, ...] = ()

    def total(self, what: str) -> tuple[int, int]:
        """The sum of a column over all layers, (after, before)."""
        pairs = [getattr(row, what) for row in self.layers]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        header = ("layer", "units", "parameters", "MACs", "float32 bytes")
        rows = [header, *(_cells(row) for row in self.layers), self._totals()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
        lines = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        lines += [str(branch) for branch in self.branches]
        lines += [
            f"{row.name}: decided {row.decided:.1%}, expected while training "
            f"{row.expected:.1%}, budget {row.budget:.1%}"
            for row in self.budgets
        ]
        lines += [
            f"{row.name}: keeps {row.kept:,} / {row.total:,}, confidence "
            f"{row.confidence:.3f}, diversity {row.diversity:.3f}"
            for row in self.gates
        ]
        return "\n".join(lines)

    def _totals(self) -> tuple[str, ...]:
        columns = (self.total(what) for what in ("parameters", "macs", "bytes"))
        return ("total", "", *(_pair(pair) for pair in columns))


def summary(model: keras.Model, verbose: bool = True) -> Summary:
    """Print, per layer, what a masked model keeps of what it has.

    The figures are those of the model that `export.strip` would return now:
    kept / total output units, and weights, multiply-accumulates and bytes.
    Gates whose elements compete in rows (`TopK`) each add a line: how sure the
    rows are of what they select, and how much they differ.

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
        _layer_rows(proof),
        _budget_rows(model),
        _gate_rows(model),
        proof.closed_branches(),
    )
    if verbose:
        print(result)
    return result


def _layer_rows(proof: Proof) -> tuple[LayerRow, ...]:
    macs = proof.count(proof.graph.macs())
    parameters = proof.count(proof.graph.parameters(), of_weights=True)
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
            parameters=parameters.get(step.name, (0, 0))[::-1],
            macs=macs.get(step.name, (0, 0))[::-1],
        )
    return tuple(rows.values())


def _budget_rows(model: keras.Model) -> tuple[BudgetRow, ...]:
    now = standing(model)
    return () if now is None else now.rows


def _gate_rows(model: keras.Model) -> tuple[GateRow, ...]:
    with_rows = [gate for gate in gates(model) if gate.rows is not None]
    return tuple(
        GateRow(
            name=gate.name,
            kept=int(gate.keep.sum()),
            total=gate.units,
            confidence=float(confidence(gate.competing_logits())),
            diversity=float(diversity(gate.competing_logits())),
        )
        for gate in with_rows
    )


def _cells(row: LayerRow) -> tuple[str, ...]:
    units = f"{row.units[0]} / {row.units[1]}"
    pairs = (row.parameters, row.macs, row.bytes)
    return (row.name, units, *(_pair(pair) for pair in pairs))


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]:,} / {pair[1]:,}"
