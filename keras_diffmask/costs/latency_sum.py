"""The operators of one program, with what a latency table knows of each."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_diffmask.costs.along_axes import along_axes
from keras_diffmask.costs.interpolation import Grid, Interpolation
from keras_diffmask.costs.latency_table import entries
from keras_diffmask.lowering import Op, Program, Size

#: The steps of the kernels: at its multiples a table has no step yet.
TILE = 16
#: Kinds whose time is in the table's constant: nobody knows what they become.
_IN_THE_CALL = ("OTHER",)
#: Kinds with a kernel, whose time per entry says nothing about other kinds.
_KERNELS = frozenset(
    "CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV FULLY_CONNECTED "
    "UNIDIRECTIONAL_SEQUENCE_LSTM".split()
)

#: What an operator is found again by: layer, kind, inputs, which of these.
Key = tuple[str, str, int, int]


@dataclass(frozen=True)
class Timed:
    """A row of the table, and the operator that it is of.

    Attributes:
        key: of the operator.
        dense: entries of its input and its output in the dense model.
        grid: nanoseconds by input and output channels.
    """

    key: Key
    dense: tuple[float, float]
    grid: Grid

    @property
    def most(self) -> float:
        """Nanoseconds in the dense model."""
        return self.grid.values[-1][-1]


def keys(program: Program) -> list[Key]:
    """Of each operator, the same in the dense model and in what is left of it."""
    found: list[Key] = []
    seen: dict[tuple[str, str, int], int] = {}
    for op in program.ops:
        short = (op.cut_name or op.name, op.kind, len(op.inputs))
        seen[short] = seen.get(short, -1) + 1
        found.append((*short, seen[short]))
    return found


class Rates:
    """Nanoseconds per entry of an operator's output, by kind, over a table.

    For operators that the table has no row for: the median of their kind; of a
    kind that it does not have, that of all kinds without a kernel.

    Args:
        rows: of the table.
    """

    def __init__(self, rows: list[Timed]) -> None:
        self._of: dict[str, list[float]] = {}
        for row in rows:
            rate = row.most / max(row.dense[1], 1.0)
            self._of.setdefault(row.key[1], []).append(rate)
            if row.key[1] not in _KERNELS:
                self._of.setdefault("", []).append(rate)

    def of(self, kind: str) -> float:
        """Of a kind of operators; 0 where nothing is known."""
        if kind in _IN_THE_CALL:
            return 0.0
        return float(np.median(self._of.get(kind) or self._of.get("") or [0.0]))


class LatencySum:
    """Nanoseconds of each operator of a compiled program, as arrays.

    Args:
        program: the dense one, or what a decision leaves of it.
        rows: the table's, by operator.
        rates: for operators without a row.
        sizes: units of each gate.
    """

    def __init__(
        self, program: Program, rows: dict[Key, Timed], rates: Rates, sizes: list[int]
    ) -> None:
        self.program = program
        dense = [*map(float, sizes), 1.0]
        grids: list[Grid] = []
        sources: list[tuple[Size, float]] = []
        results: list[tuple[Size, float]] = []
        for op, key in zip(program.ops, keys(program), strict=True):
            row = rows.get(key) or _by_entries(program, op, rates, dense)
            grids.append(row.grid)
            source, result = (
                program.tensors[t[0]].size for t in (op.inputs, op.outputs)
            )
            sources.append((source, row.grid.x[-1] / row.dense[0]))
            results.append((result, row.grid.y[-1] / row.dense[1]))
        self._sources = along_axes(sources, len(sizes))
        self._results = along_axes(results, len(sizes))
        self._exact = Interpolation(grids)
        self._smooth = Interpolation([_at_multiples(grid) for grid in grids])

    def __call__(self, xp: Any, sums: Any, at_multiples: bool = False) -> Any:
        """The times at the number of open units of each gate.

        Args:
            xp: NumPy, or `keras.ops` for tensors.
            sums: `(gates + 1, 1)`, the last is 1.
            at_multiples: leave the steps of the kernels out.

        Returns:
            `(operators,)`.
        """
        dtype: Any = np.float64 if xp is np else np.float32
        read = self._smooth if at_multiples else self._exact
        # Rounded, for what is a whole number of channels is to count as one.
        x, y = (
            math.prod(xp.matmul(axis.astype(dtype), sums) for axis in tables)
            for tables in (self._sources, self._results)
        )
        return read(xp, np.round(x, 6), np.round(y, 6)) if xp is np else read(xp, x, y)


def _by_entries(program: Program, op: Op, rates: Rates, dense: list[float]) -> Timed:
    """A row for an operator that the table lacks."""
    source, result = (max(size, 1.0) for size in entries(program, op, dense))
    values = ((0.0, rates.of(op.kind) * result),)
    return Timed(("", "", 0, 0), (source, result), Grid((1.0,), (0.0, result), values))


def _at_multiples(grid: Grid) -> Grid:
    x, y = (
        [
            place
            for k, place in enumerate(along)
            if k in (0, len(along) - 1) or not place % TILE
        ]
        for along in (grid.x, grid.y)
    )
    return grid.at(x, y)
