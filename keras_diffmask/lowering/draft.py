"""A program that passes may change."""

from collections.abc import Iterable
from dataclasses import replace

from keras_diffmask.lowering.program import Op, Program


class Draft:
    """The tensors and operators of a program, as lists, and who reads what.

    Args:
        program: what to start from; it is not changed.
    """

    def __init__(self, program: Program) -> None:
        self.tensors = list(program.tensors)
        self.ops = list(program.ops)
        self.inputs = set(program.inputs)
        self.outputs = list(program.outputs)

    def makers(self) -> dict[int, int]:
        """Tensor -> index of the operator that makes it."""
        return {t: index for index, op in enumerate(self.ops) for t in op.outputs}

    def readers(self) -> dict[int, list[int]]:
        """Tensor -> indices of the operators that take it; -1: the model's output."""
        found: dict[int, list[int]] = {}
        for index, op in enumerate(self.ops):
            for tensor in op.inputs:
                found.setdefault(tensor, []).append(index)
        for tensor in self.outputs:
            found.setdefault(tensor, []).append(-1)
        return found

    def replace_tensor(self, old: int, new: int) -> None:
        """Let everything that takes `old` take `new`."""
        self.ops = [
            op.but(inputs=tuple(new if t == old else t for t in op.inputs))
            for op in self.ops
        ]
        self.outputs = [new if t == old else t for t in self.outputs]

    def remove(self, indices: Iterable[int]) -> None:
        gone = set(indices)
        self.ops = [op for index, op in enumerate(self.ops) if index not in gone]

    def new(self, like: int, lifted: bool | None = None) -> int:
        """A new activation of the size of another one."""
        tensor = self.tensors[like]
        form = tensor.lifted if lifted is None else lifted
        self.tensors.append(replace(tensor, lifted=form))
        return len(self.tensors) - 1

    def bypass(self, op: Op) -> None:
        """Take out an operator of one input: what read it reads that."""
        self.remove([self.ops.index(op)])
        self.replace_tensor(op.outputs[0], op.inputs[0])
