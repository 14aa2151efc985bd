"""Repairs scales the converter leaves inconsistent around fused LSTMs."""

from collections.abc import Sequence

import numpy as np

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.emit.cell_state import (
    CELL_INPUT,
    LARGEST_CELL_SCALE,
    LSTM,
    SMALLEST_CELL_SCALE,
    remove_cell_clip,
    widen_cell_scales,
)
from keras_diffmask.export.emit.recurrent import FusedCall
from keras_diffmask.export.flatbuffer import (
    OpView,
    SubgraphView,
    TensorView,
    constant_of,
    read_subgraphs,
)

# Where the kernels read the scale of the hidden state: LiteRT from this
# intermediate tensor, TFLM from this input. Neither looks at the output tensor.
STATE_INPUT = 18
STATE_INTERMEDIATE = 4


def repair(content: bytes, fused: Sequence[FusedCall] = ()) -> bytes:
    """All repairs of fused LSTMs, one after the other.

    Args:
        content: a .tflite file as the converter wrote it.
        fused: the LSTM calls in it.

    Returns:
        The repaired file, of the same length.
    """
    return repair_scales(widen_cell_scales(remove_cell_clip(content), fused))


# Operator -> pairs of (weights, bias) inputs. A kernel adds the bias to products
# of input and weights, so its scale must be the product of theirs.
BIASES = {
    "CONV_2D": ((1, 2),),
    "DEPTHWISE_CONV_2D": ((1, 2),),
    "FULLY_CONNECTED": ((1, 2),),
    LSTM: ((1, 12), (2, 13), (3, 14), (4, 15)),
}


def repair_scales(content: bytes) -> bytes:
    """Makes scales agree where a kernel assumes that they do.

    REVERSE_V2 copies bytes, so its input takes its output's scale. Where an
    LSTM's output meets a same-scale operator (CONCATENATION, REVERSE_V2), the
    converter changes the output's scale alone; the hidden state follows here.
    Unrepaired, a forward and a backward LSTM side by side were 20 % wrong.

    A cell state that stays below 0.5 (a small or little trained LSTM) gets the
    scale 2**-16, for which the kernels have no tanh: their answers saturate, 3
    times the size of the right ones. 2**-15 costs one bit nobody misses. Nor have
    they one for 2**-8, for a state of 64 and more: it stops at 64 then.

    Where some ranges were learned and others calibrated, the converter gives a
    convolution behind a reshape a bias for another input scale than it has: its
    integers are taken to the right one.

    Numbers are overwritten in place: nothing else in the file moves.

    Args:
        content: a .tflite file.

    Returns:
        The repaired file, of the same length.

    Raises:
        ConversionError: a tensor that must be repaired has no scale.
    """
    buffer = bytearray(content)
    for graph in read_subgraphs(buffer):
        for op in reversed(graph.ops):  # an input may be another's output
            if op.name == "REVERSE_V2":
                _copy(graph, op.outputs[0], op.inputs[0])
        for op in graph.ops:
            if op.name == LSTM and graph.tensors[op.outputs[0]].scale.size:
                _copy(graph, op.outputs[0], op.inputs[STATE_INPUT])
                _copy(graph, op.outputs[0], op.intermediates[STATE_INTERMEDIATE])
                cell = graph.tensors[op.inputs[CELL_INPUT]]
                limits = SMALLEST_CELL_SCALE, LARGEST_CELL_SCALE
                np.clip(cell.scale, *limits, out=cell.scale)
        for op in graph.ops:
            for weights, bias in BIASES.get(op.name, ()):
                if op.name != LSTM and bias < len(op.inputs) and op.inputs[bias] >= 0:
                    _rescale_bias(buffer, graph, op, weights, bias)
    return bytes(buffer)


def _rescale_bias(
    buffer: bytearray, graph: SubgraphView, op: OpView, weights: int, bias: int
) -> None:
    """Takes a bias to the scale that the kernel adds it at."""
    data, kernel, added = (graph.tensors[op.inputs[i]] for i in (0, weights, bias))
    if added.dtype != "INT32" or not added.scale.size or not data.scale.size:
        return
    wanted = (data.scale * kernel.scale).astype(added.scale.dtype)
    if wanted.shape != added.scale.shape or np.allclose(
        added.scale, wanted, rtol=1e-3, atol=0
    ):
        return
    values = constant_of(buffer, graph, added.index)
    exact = values * (added.scale.astype(np.float64) / wanted)
    values[:] = np.rint(exact).clip(-(2**31), 2**31 - 1)
    added.scale[:] = wanted


def _copy(graph: SubgraphView, source: int, destination: int) -> None:
    good, bad = graph.tensors[source], graph.tensors[destination]
    if good.same_quantization(bad):
        return
    if good.scale.size != bad.scale.size or not bad.zero_point.size:
        raise _unrepairable(good, bad)
    bad.scale[:] = good.scale
    bad.zero_point[:] = good.zero_point


def _unrepairable(good: TensorView, bad: TensorView) -> ConversionError:
    return ConversionError(
        f"tensor '{bad.name}' to have the scale of '{good.name}'",
        "none that could be set",
        "Report the model: this converter version writes LSTMs in a new way.",
    )
