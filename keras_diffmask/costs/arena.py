"""What a program puts into TFLM's arena: buffers that come and go, and the rest."""

from dataclasses import dataclass

from keras_diffmask.costs.device_bytes import (
    ALIGNMENT,
    ARENA,
    ARENA_CHANNEL,
    ARENA_END,
    ARENA_OP,
    ARENA_TENSOR,
    kind_of,
    tensors_of,
)
from keras_diffmask.lowering import Op, Program, Size, lifetimes
from keras_diffmask.lowering.program import Alive


@dataclass(frozen=True)
class Slot:
    """A buffer of the arena's head.

    Attributes:
        size: its entries.
        bytes: of each.
        first: the first operator during which it is in memory.
        last: the last one.
        alive: the gates that it lives with.
    """

    size: Size
    bytes: int
    first: int
    last: int
    alive: Alive


def slots(program: Program) -> list[Slot]:
    """The activations of a compiled program, then the kernels' scratch memory."""
    makers = {tensor: op for op in program.ops for tensor in op.outputs}
    found = []
    for index, (first, last) in lifetimes(program).items():
        tensor = program.tensors[index]
        alive = makers[index].alive if index in makers else ()
        found.append(Slot(tensor.size, tensor.bytes, first, last, alive))
    end = max(len(program.ops) - 1, 0)
    for time, op in enumerate(program.ops):
        found += [Slot(*part, time, time, op.alive) for part in _scratch(program, op)]
        if op.kind == "BATCH_MATMUL":
            # A transposed copy of the right side, which it never gives back.
            right = program.tensors[op.inputs[1]]
            found.append(Slot(right.size, right.bytes, 0, end, op.alive))
    return found


def _scratch(program: Program, op: Op) -> list[tuple[Size, int]]:
    """What TFLM's reference kernels ask for while they run."""
    # Kernels of 4 bits are unpacked to a byte per weight, each while it is used.
    return [*_of_kind(program, op), *((w.size, 1) for w in op.weights if w.bytes < 1)]


def _of_kind(program: Program, op: Op) -> list[tuple[Size, int]]:
    if op.kind == "TRANSPOSE_CONV":
        # Sums of int32.
        return [(program.tensors[op.outputs[0]].size, 4)]
    if op.kind in ("MEAN", "REDUCE_MAX"):
        # Two indices of 16 bytes, and sums of int32.
        indices = [(Size(16.0), 1)] * 2
        sums = [(program.tensors[op.outputs[0]].size, 4)] * (op.kind == "MEAN")
        return [*indices, *sums]
    if op.kind == "UNIDIRECTIONAL_SEQUENCE_LSTM" and op.width:
        # The four gates of one step, in int16.
        return [(op.width, 2)] * 4
    return []


def op_bytes(op: Op) -> float:
    """Bytes that the interpreter keeps for an operator, whatever its size."""
    return ARENA_OP + kind_of(op).persistent + ARENA_TENSOR * tensors_of(op)


def tail(program: Program, sums: list[float]) -> float:
    """Bytes that the interpreter keeps, given the open units of each gate."""
    ends = len(program.inputs) + len(program.outputs)
    total: float = ARENA + ARENA_END * ends + ARENA_TENSOR * len(program.inputs)
    for op in program.ops:
        total += op_bytes(op)
        if op.channels:
            total += ARENA_CHANNEL * op.channels.of(sums)
        if op.width:
            # Hidden state in int8 and cell state in int16, aligned on average.
            total += 3 * op.width.of(sums) + ALIGNMENT
    return total
