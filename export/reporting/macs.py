"""Multiply-accumulates of a .tflite file, from the shapes of its tensors."""

import math
from collections.abc import Callable

from keras_diffmask.export.flatbuffer import OpView, SubgraphView, read_subgraphs

Shape = tuple[int, ...]


def macs_of(content: bytes) -> int | None:
    """Multiply-accumulates of one invocation, as `export.plan` counts them.

    Products of weights, and of two activations; what is done value by value
    (additions, activations, scales) is not counted, nor is padding left out.

    Args:
        content: bytes of a `.tflite` file.

    Returns:
        The count; None where an operator is among them whose products are not
        known from shapes (loops, custom operators), for a part is no total.

    Example:
        >>> macs_of(artifact.content)
        859024
    """
    graph = read_subgraphs(content)[0]
    found = [_of_op(graph, op) for op in graph.ops]
    known = [macs for macs in found if macs is not None]
    return sum(known) if len(known) == len(found) else None


def _of_op(graph: SubgraphView, op: OpView) -> int | None:
    kind = op.name.split(" ")[0]
    if kind in _UNKNOWN:
        return None
    rule = _RULES.get(kind)
    if rule is None:
        return 0
    ins = [graph.tensors[i].shape if i >= 0 else () for i in op.inputs]
    outs = [graph.tensors[i].shape for i in op.outputs]
    return rule(ins, outs)


# Weights stand as (out, height, width, in), or (1, height, width, out).
def _conv(ins: list[Shape], outs: list[Shape]) -> int:
    return math.prod(outs[0]) * math.prod(ins[1][1:])


def _depthwise(ins: list[Shape], outs: list[Shape]) -> int:
    return math.prod(outs[0]) * math.prod(ins[1][1:3])


def _conv_3d(ins: list[Shape], outs: list[Shape]) -> int:
    return math.prod(outs[0]) * math.prod(ins[1][:4])


def _transposed(ins: list[Shape], outs: list[Shape]) -> int:
    # Inputs are (shape of the output, weights, data): every value of the data
    # meets the weights of all outputs.
    return math.prod(ins[2]) * math.prod(ins[1][:3])


def _dense(ins: list[Shape], outs: list[Shape]) -> int:
    return math.prod(ins[0]) * ins[1][0]


def _matmul(ins: list[Shape], outs: list[Shape]) -> int:
    # Either side may be transposed: what is summed over is in neither the rows
    # nor the columns of the output.
    rows, columns = outs[0][-2:]
    inner = math.isqrt(
        math.prod(ins[0][-2:]) * math.prod(ins[1][-2:]) // (rows * columns)
    )
    return math.prod(outs[0]) * inner


def _lstm(ins: list[Shape], outs: list[Shape]) -> int:
    # Input 1 to 8: the matrices of four gates, on the input and on h.
    steps = math.prod(ins[0][:-1])
    return steps * sum(math.prod(shape) for shape in ins[1:9] if shape)


_RULES: dict[str, Callable[[list[Shape], list[Shape]], int]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "CONV_3D": _conv_3d,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _matmul,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
_UNKNOWN = frozenset(
    """
    BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN CALL CONV_3D_TRANSPOSE
    CUSTOM DELEGATE IF LSTM RNN STABLEHLO_COMPOSITE STABLEHLO_WHILE SVDF
    UNIDIRECTIONAL_SEQUENCE_RNN WHILE
    """.split()
)
