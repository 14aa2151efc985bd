"""A cost that is counted on the program that a decision leaves."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_diffmask.costs.survival import lives
from keras_diffmask.lowering import Op, Program, Size, compiled


class Decided:
    """Counts at decisions, where every gate value is 0 or 1; a subclass says what.

    Closed branches are left out of the program first, with all that the
    converter then fuses in another way: the count is that of the stripped
    model. At values in between, `between` takes the program with no branch
    closed.

    Args:
        program: what the dense model lowers to.
    """

    name: str

    def __init__(self, program: Program) -> None:
        self.program = program
        self._compiled: dict[tuple[bool, ...], Program] = {}
        self._varying = [op for op in program.ops if op.lost or op.several]

    def count(self, values: list[np.ndarray]) -> float:
        """The cost at gate values, in NumPy.

        Args:
            values: per gate its values in [0, 1], shape `(units,)`.
        """
        if not all(np.all((v == 0) | (v == 1)) for v in values):
            return self.between(values)
        sums = counted(values)
        return self.decided(self.left(sums), sums)

    def dense(self, sizes: list[int]) -> float:
        """The cost with every gate open."""
        return self.count([np.ones(size) for size in sizes])

    def left(self, sums: list[float]) -> Program:
        """The program of what a decision leaves; `sums` of each gate, and 1."""
        key = (*(n > 0 for n in sums), *(_does_work(op, sums) for op in self._varying))
        if key not in self._compiled:
            self._compiled[key] = compiled(
                self.program,
                lambda op: self._lives(op, sums),
                lambda op: _does_work(op, sums),
            )
        return self._compiled[key]

    def between(self, values: list[np.ndarray]) -> float:
        """The cost at values that are no decision."""
        raise NotImplementedError

    def decided(self, program: Program, sums: list[float]) -> float:
        """The cost of a compiled program, given the open units of each gate."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError

    def where_cut(
        self, xp: Any, values: list[Any], bytes_of: Callable[[Op], float]
    ) -> Any:
        """What cutting adds in operators, expected, and takes of them."""
        total: Any = 0.0
        for op in self._varying:
            there = bytes_of(op) * lives(xp, values, op.alive)
            share = works(xp, values, op)
            total = total + there * (share if op.lost else share - 1.0)
        return total

    def _lives(self, op: Op, sums: list[float]) -> bool:
        around = not op.alive or any(all(sums[g] for g in s) for s in op.alive)
        # What has lost all of its channels is no longer there.
        return around and any(self.program.tensors[t].size.of(sums) for t in op.outputs)


def counted(values: list[np.ndarray]) -> list[float]:
    """How many units of each gate a decision keeps, and 1 last."""
    return [*(float(np.sum(v)) for v in values), 1.0]


def _does_work(op: Op, sums: list[float]) -> bool:
    """Whether a decision leaves the operator anything to do."""
    if op.lost is not None:
        return bool(op.lost.of(sums) > 0)
    return op.several is None or bool(op.several.of(sums) > 1)


def works(xp: Any, values: list[Any], op: Op) -> Any:
    """The probability that a decision leaves the operator anything to do."""
    if op.lost is not None:
        (axis,) = op.lost.axes
        gates = [gate for gate, _ in axis if gate >= 0]
        return 1.0 - math.prod(xp.prod(values[gate]) for gate in gates)
    return 1.0 if op.several is None else 1.0 - _alone(values, op.several)


def _alone(values: list[Any], several: Size) -> Any:
    """The probability that exactly one of the units is open."""
    (axis,) = several.axes
    fixed = round(sum(several.factor * times for gate, times in axis if gate < 0))
    none: Any = float(fixed == 0)
    one: Any = float(fixed == 1)
    for gate, _ in axis:
        for unit in range(values[gate].shape[0] if gate >= 0 else 0):
            value = values[gate][unit]
            one = one * (1.0 - value) + none * value
            none = none * (1.0 - value)
    return one
