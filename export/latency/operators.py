"""The operators of a model's file, and which of the lowered program they are."""

import difflib
import math
from dataclasses import dataclass

from keras_diffmask.costs.latency_table import entries
from keras_diffmask.export.benchmarking.per_op import cut_ops
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.latency.counts import counts
from keras_diffmask.export.latency.narrow import TWO_AXES, Operator
from keras_diffmask.lowering import Program

#: Numbers of channels that an operator is timed at, along each axis.
MOST_INPUTS, MOST_OUTPUTS = 16, 24


@dataclass(frozen=True)
class Found:
    """An operator of the file.

    Attributes:
        operator: cut out.
        place: in the compiled program; None where the program lacks it.
        inputs: numbers of input channels to time it at, rising to the dense
            model's; no others where the time is against outputs only.
        outputs: the same for the output.
        is_fixed: whether channels can be taken from it and nobody knows how.
    """

    operator: Operator
    place: int | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    is_fixed: bool

    @property
    def dense(self) -> tuple[int, int]:
        return self.inputs[-1], self.outputs[-1]

    def points(self) -> list[tuple[int, int]]:
        """Numbers of channels to time it at; the dense model's are the last."""
        return [(i, o) for i in self.inputs for o in self.outputs]

    def channels_at(self, point: tuple[int, int]) -> tuple[int, int]:
        """Of its input and output, where one follows from the other."""
        inputs, outputs = point
        if self.operator.kind in TWO_AXES:
            return inputs, outputs
        dense_in, dense_out = self.operator.channels
        if self.operator.kind != "DEPTHWISE_CONV_2D":
            return dense_in, outputs
        # Its output has some channels for each of the input.
        each = dense_out // dense_in
        kept = -(-outputs // each)
        return kept, kept * each


def find(content: bytes, program: Program, sums: list[float]) -> list[Found]:
    """All operators of a file, with those of the program they belong to.

    They are matched in order, by kind and entries of the output: where the
    program knows a layer not, or writes it in another way, the rest still fits.

    Args:
        content: the dense model's .tflite file.
        program: its compiled program, with the gates that it could get.
        sums: units of each gate, and 1 last.
    """
    (graph, *_) = read_subgraphs(content)
    foretold = [(op.kind, round(entries(program, op, sums)[1])) for op in program.ops]
    there = [
        (op.name, sum(math.prod(graph.tensors[t].shape) for t in op.outputs[:1]))
        for op in graph.ops
    ]
    matcher = difflib.SequenceMatcher(None, foretold, there, autojunk=False)
    places = {
        block.b + k: block.a + k
        for block in matcher.get_matching_blocks()
        for k in range(block.size)
    }
    cuts = cut_ops(content)
    return [
        _found(Operator.of(op, cut, graph), places.get(k), program)
        for k, (op, (cut, _)) in enumerate(zip(graph.ops, cuts, strict=True))
    ]


def _found(operator: Operator, place: int | None, program: Program) -> Found:
    inputs, outputs = operator.channels
    fixed = Found(operator, place, (inputs,), (outputs,), False)
    if place is None:
        return fixed
    op = program.ops[place]
    loses = [bool(program.tensors[t].size.axes) for t in (op.inputs[0], op.outputs[0])]
    if not any(loses):
        return fixed
    if not operator.can_narrow:
        return Found(operator, place, (inputs,), (outputs,), True)
    along_inputs = loses[0] and operator.kind in TWO_AXES
    return Found(
        operator,
        place,
        counts(inputs, MOST_INPUTS) if along_inputs else (inputs,),
        counts(outputs, MOST_OUTPUTS) if loses[1] else (outputs,),
        False,
    )
