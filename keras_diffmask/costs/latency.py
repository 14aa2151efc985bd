"""Latency: the time of one inference, foretold from a table of measured times."""

from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from keras import ops

from keras_diffmask.costs.along_axes import open_units
from keras_diffmask.costs.decided import Decided, works
from keras_diffmask.costs.gating import Gating
from keras_diffmask.costs.interpolation import Grid
from keras_diffmask.costs.latency_sum import LatencySum, Rates, Timed, keys
from keras_diffmask.costs.latency_table import LatencyTable, entries
from keras_diffmask.costs.survival import survival
from keras_diffmask.errors import BudgetError
from keras_diffmask.graph import ChannelGraph
from keras_diffmask.lowering import Program, compiled, lower


class Latency(Decided):
    """Nanoseconds of one inference on the device that a table was measured on.

        latency = call_ns + scale x sum over operators of t(in, out)

    where t is bilinear between the numbers of channels that were measured. The
    table has the steps of the kernels: with vectors of 16 entries, 17 channels
    take the time of 32. In the gates' values, `in` and `out` are the expected
    numbers. Between steps the time is flat, and its gradient would not move
    anything: the gradient is that of the table read at multiples of 16 only,
    where each step is spread over the channels that lead up to it.

    An operator that the table lacks, such as one that only a closed branch
    leaves, takes as much per entry of its output as the table's other
    operators of its kind do.

    Args:
        program: what the dense model lowers to.
        sizes: units of each gate.
        rows: the table's, with the operators that they are of.
        call: nanoseconds of every call.
        scale: of the sum.
        fixed: layers that are counted as they are in the dense model.
    """

    name = "latency"

    def __init__(
        self,
        program: Program,
        sizes: list[int],
        rows: list[Timed],
        call: float = 0.0,
        scale: float = 1.0,
        fixed: tuple[str, ...] = (),
    ) -> None:
        super().__init__(program)
        self.sizes = list(sizes)
        self.rows = rows
        self.call = float(call)
        self.scale = float(scale)
        self.fixed = tuple(fixed)
        self._sums: dict[int, LatencySum] = {}

    @classmethod
    def of(cls, gating: Gating, table: LatencyTable | None) -> "Latency":
        """The latency of a dense model under gates.

        Raises:
            BudgetError: there is no table, or it is another model's.
        """
        if table is None:
            raise no_table()
        shifts = not gating.closes_at_the_end
        program = lower(gating.graph, gating.size, gating.alive, shifts=shifts)
        dense = compiled(program)
        sums = [*map(float, gating.sizes), 1.0]
        table.check(dense, sums)
        found = keys(dense)
        rows = [
            Timed(
                found[row.place], entries(dense, dense.ops[row.place], sums), row.grid
            )
            for row in table.rows
        ]
        fixed = (*program.unknown, *(dense.ops[place].name for place in table.fixed))
        return cls(program, gating.sizes, rows, table.call_ns, table.scale, fixed)

    def decided(self, program: Program, sums: list[float]) -> float:
        return self._counted(self._sum_of(program), sums)

    def _counted(self, times: LatencySum, sums: list[float]) -> float:
        ns = self.scale * times(np, np.asarray(sums, np.float64).reshape(-1, 1))
        # Whole nanoseconds: sums in another order are the same number.
        return float(np.rint(ns).sum() + round(self.call))

    def of_stripped(self, graph: ChannelGraph) -> float:
        """The same count on a model that is stripped already.

        Args:
            graph: of the stripped model, whose layers and operators have kept
                their names, or those that `Op.cut_name` says.
        """
        gating = Gating.without_gates(graph)
        program = compiled(lower(graph, gating.size))
        return self._counted(self._timed(program, []), [1.0])

    def between(self, values: list[np.ndarray]) -> float:
        return float(self._evaluate(np, values))

    def expected(self, values: list[Any]) -> Any:
        """The nanoseconds on tensors, differentiable, float32."""
        return self._evaluate(ops, values)

    def _evaluate(self, xp: Any, values: list[Any]) -> Any:
        total = self._sum_of(self._open)
        sums = open_units(xp, values)
        parts = total(xp, sums)
        if xp is ops:
            smooth = total(xp, sums, at_multiples=True)
            parts = smooth + ops.stop_gradient(parts - smooth)
        around = [op.alive for op in self._open.ops]
        if any(around):
            parts = parts * survival(xp, values, around)[:, 0]
        if self._varying:
            shares = [sums[-1, 0] * works(xp, values, op) for op in self._open.ops]
            parts = parts * xp.stack(shares)
        return self.call + self.scale * xp.sum(parts)

    @cached_property
    def _open(self) -> Program:
        """With all that may be there; how much of it is, is counted in shares."""
        return compiled(self.program, works=lambda op: True)

    def _sum_of(self, program: Program) -> LatencySum:
        # By identity: programs are kept by `left`, and `_open` by this object.
        held = self._sums.get(id(program))
        if held is None or held.program is not program:
            held = self._sums[id(program)] = self._timed(program, self.sizes)
        return held

    def _timed(self, program: Program, sizes: list[int]) -> LatencySum:
        found = {row.key: row for row in self.rows}
        return LatencySum(program, found, Rates(self.rows), sizes)

    def get_config(self) -> dict[str, Any]:
        return {
            "kind": self.name,
            "program": self.program.get_config(),
            "sizes": self.sizes,
            "rows": [asdict(row) for row in self.rows],
            "call": self.call,
            "scale": self.scale,
            "fixed": list(self.fixed),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Latency":
        given = {key: value for key, value in config.items() if key != "kind"}
        given["program"] = Program.from_config(config["program"])
        given["rows"] = list(map(_timed, config["rows"]))
        return cls(**given)


def no_table() -> BudgetError:
    """What to raise where a latency is asked for and nothing was measured."""
    return BudgetError(
        "a latency table with a budget for latency",
        "latency_table=None",
        "Measure one: latency_table=export.measure_latency(model).",
    )


def _timed(config: dict[str, Any]) -> Timed:
    grid = config["grid"]
    values = tuple(map(tuple, grid["values"]))
    return Timed(
        tuple(config["key"]),
        tuple(config["dense"]),
        Grid(tuple(grid["x"]), tuple(grid["y"]), values),
    )
