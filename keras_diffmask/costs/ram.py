"""RAM: the tensor arena that TFLM needs."""

import math
from functools import cached_property
from typing import Any

import numpy as np
from keras import ops

from keras_diffmask.costs.along_axes import along_axes, open_units
from keras_diffmask.costs.arena import Slot, op_bytes, slots, tail
from keras_diffmask.costs.decided import Decided, counted
from keras_diffmask.costs.device_bytes import ALIGNMENT
from keras_diffmask.costs.planner import Buffer, peak
from keras_diffmask.costs.survival import survival
from keras_diffmask.lowering import Program, compiled


class Ram(Decided):
    """Bytes of arena that TFLM's interpreter needs for one example.

        ram = head + tail + offset

    The head holds the activations, and the scratch memory of a few kernels,
    as TFLM's greedy planner lays them out; the tail holds what the interpreter
    keeps for each tensor, operator and channel. In the gates' values, the head
    is the largest sum of live tensors that any operator sees,

        max over operators t of sum over tensors i live at t of bytes_i(v)

    times how much larger the planner's layout of the dense model is than that
    (1 where it leaves no gap). Its gradient is that of the operator at the
    maximum. A tensor takes a multiple of 16 bytes, with the gradient of its
    true size.

    Args:
        program: what the model lowers to.
        sizes: units of each gate.
        offset: what the arena of the dense model was measured to be larger.
    """

    name = "ram"

    def __init__(self, program: Program, sizes: list[int], offset: float = 0.0) -> None:
        super().__init__(program)
        self.sizes = list(sizes)
        self.offset = float(offset)

    def decided(self, program: Program, sums: list[float]) -> float:
        return peak(_buffers(slots(program), sums)) + tail(program, sums) + self.offset

    def head_bytes(self, values: list[np.ndarray]) -> int:
        """The activations of a decision, as the planner lays them out."""
        sums = counted(values)
        return peak(_buffers(slots(self.left(sums)), sums))

    def live_bytes(self, values: list[np.ndarray]) -> int:
        """The head of a decision without the gaps that the planner leaves."""
        sums = counted(values)
        return _largest_sum(_buffers(slots(self.left(sums)), sums))

    def between(self, values: list[np.ndarray]) -> float:
        return float(self._evaluate(np, values))

    def expected(self, values: list[Any]) -> Any:
        """The bytes on tensors, differentiable, float32."""
        return self._evaluate(ops, values)

    def _evaluate(self, xp: Any, values: list[Any]) -> Any:
        tables = self._tables
        dtype: Any = np.float32 if xp is ops else np.float64
        sums = open_units(xp, values)
        raw: Any = 1.0
        for axis in tables.bytes:
            raw = raw * xp.matmul(axis.astype(dtype), sums)
        full = ALIGNMENT * xp.ceil(raw / ALIGNMENT)
        if xp is ops:
            # Rounding has no gradient: that of the size itself takes its place.
            full = raw + ops.stop_gradient(full - raw)
        if any(tables.around):
            full = full * survival(xp, values, tables.around)
        moments = xp.matmul(tables.live.astype(dtype), full)
        total = xp.max(moments) * float(tables.waste)
        total = total + xp.sum(xp.matmul(tables.tail.astype(dtype)[None], sums))
        total = total + self.where_cut(xp, values, op_bytes)
        return total + float(self.offset)

    @cached_property
    def _tables(self) -> "_Tables":
        return _Tables(compiled(self.program), self.sizes)

    def get_config(self) -> dict[str, Any]:
        return {
            "kind": self.name,
            "program": self.program.get_config(),
            "sizes": self.sizes,
            "offset": self.offset,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Ram":
        program = Program.from_config(config["program"])
        return cls(program, config["sizes"], config["offset"])


class _Tables:
    """The program with no branch closed, as arrays.

    Attributes:
        bytes: of each buffer per open unit, `(buffers, gates + 1)`; those of
            a buffer along several axes are the product of one array for each.
        live: `(operators, buffers)`, 1 where it is in memory.
        tail: `(gates + 1,)`, bytes of the tail per open unit.
        around: per buffer the gates that it lives with.
        waste: the planner's layout relative to what is live.
    """

    def __init__(self, program: Program, sizes: list[int]) -> None:
        found = slots(program)
        times = np.arange(max(len(program.ops), 1))[:, None]
        first = np.array([slot.first for slot in found])
        last = np.array([slot.last for slot in found])
        self.live = ((times >= first) & (times <= last)).astype(np.float64)
        self.bytes = along_axes([(s.size, s.bytes) for s in found], len(sizes))
        ends = np.eye(len(sizes) + 1)
        none = [0.0] * len(sizes) + [1.0]
        fixed = tail(program, none)
        slopes = [tail(program, list(none + row)) - fixed for row in ends[:-1]]
        self.tail = np.array([*slopes, fixed])
        self.around = [slot.alive for slot in found]
        dense = _buffers(found, [*map(float, sizes), 1.0])
        self.waste = peak(dense) / max(_largest_sum(dense), 1)


def _buffers(found: list[Slot], sums: list[float]) -> list[Buffer]:
    sizes = [math.ceil(round(slot.bytes * slot.size.of(sums), 6)) for slot in found]
    return [
        Buffer(-(-size // ALIGNMENT) * ALIGNMENT, slot.first, slot.last)
        for size, slot in zip(sizes, found, strict=True)
    ]


def _largest_sum(buffers: list[Buffer]) -> int:
    """The most that is live at once."""
    changes: dict[int, int] = {}
    for buffer in buffers:
        changes[buffer.first] = changes.get(buffer.first, 0) + buffer.size
        changes[buffer.last + 1] = changes.get(buffer.last + 1, 0) - buffer.size
    most = live = 0
    for time in sorted(changes):
        live += changes[time]
        most = max(most, live)
    return most
