"""Lets an LSTM's cell state go as far as it does in Keras."""

from collections.abc import Sequence

import numpy as np

from keras_diffmask.export.emit.recurrent import FusedCall
from keras_diffmask.export.flatbuffer import (
    OpView,
    SubgraphView,
    op_options,
    read_subgraphs,
)

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
# The cell state, int16 with a power of two as scale.
CELL_INPUT = 19
# The kernels look tanh up for 15 + log2(scale) integer bits, which must not be
# negative, nor above 6.
SMALLEST_CELL_SCALE, LARGEST_CELL_SCALE = 2.0**-15, 2.0**-9
# The limit is the second field of the operator's options, and a field takes two
# bytes in the table that tells where they are, behind four bytes of sizes.
_CLIP = 6


def lstm_sizes(graph: SubgraphView, op: OpView) -> tuple[int, int, int]:
    """Steps, inputs and units of a fused LSTM."""
    _, steps, inputs = graph.tensors[op.inputs[0]].shape
    return steps, inputs, graph.tensors[op.outputs[0]].shape[-1]


def cell_clips(content: bytes | bytearray) -> list[np.ndarray]:
    """The limit of each fused LSTM's cell state; 0 for none.

    Args:
        content: a .tflite file.

    Returns:
        One array of one float32 per operator that has the field, views into
        `content`: with a bytearray they can be written to.
    """
    found = []
    for options in op_options(content, LSTM):
        # A field of the default value, which is 0, is not in the file.
        if offset := options.Offset(_CLIP):
            place = options.Pos + offset
            found.append(np.frombuffer(options.Bytes, "<f4", 1, place))
    return found


def remove_cell_clip(content: bytes) -> bytes:
    """Takes away the limit that the converter puts on the cell state.

    TensorFlow 2.21 writes 10 there, in float files too. Trained on windows of
    128 steps, two stacked layers reached 38, and a float file was 0.47 off where
    its logits reach 5.5.

    Args:
        content: a .tflite file.

    Returns:
        The same file, of the same length, without limits.
    """
    buffer = bytearray(content)
    for clip in cell_clips(buffer):
        clip[:] = 0
    return bytes(buffer)


def widen_cell_scales(content: bytes, fused: Sequence[FusedCall]) -> bytes:
    """Gives int8 files a range for the cell state between first and last step.

    TensorFlow's calibrator reads a state after the call, which is after the last
    step: one that grows and falls again was cut off in between. LSTMs of the same
    sizes get the widest of their ranges, since calls cannot be told from each
    other in the file; a bit too few of 16 is nothing.

    Args:
        content: a .tflite file.
        fused: its LSTM calls, with the largest cell state of each.

    Returns:
        The same file, of the same length. A scale that is wide enough stays.
    """
    largest: dict[tuple[int, int, int], float] = {}
    for call in fused:
        sizes = call.steps, call.inputs, call.units
        largest[sizes] = max(call.largest_cell, largest.get(sizes, 0.0))
    buffer = bytearray(content)
    for graph in read_subgraphs(buffer):
        for op in graph.ops:
            if op.name == LSTM and graph.tensors[op.inputs[CELL_INPUT]].scale.size:
                scale = graph.tensors[op.inputs[CELL_INPUT]].scale
                needed = largest.get(lstm_sizes(graph, op), 0.0) / 2**15
                while scale[0] < min(needed, LARGEST_CELL_SCALE):
                    scale *= 2
    return bytes(buffer)
