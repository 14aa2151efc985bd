"""From a channel graph to the operators and tensors of a device."""

from collections.abc import Callable
from typing import Any

from keras_diffmask.graph import ChannelGraph, Step, Term
from keras_diffmask.lowering.builder import Builder
from keras_diffmask.lowering.program import Alive, Program, Size
from keras_diffmask.lowering.recipes import other
from keras_diffmask.lowering.table import recipe_for


def lower(
    graph: ChannelGraph,
    measure: Callable[[Term], Size],
    alive: Callable[[Step], Alive] = lambda step: (),
    shifts: bool = True,
    **format: Any,
) -> Program:
    """Write a model as TFLite's operators and tensors, not yet fused.

    `compiled` makes of it what the converter writes. Nothing here imports or
    runs TensorFlow: what the converter does is in `table`, `recipes` and
    `fuse`, as seen in the files of TensorFlow 2.21.

    Args:
        graph: the channel graph of the model.
        measure: a product of units -> what it is in terms of gates.
        alive: call -> while which gates it is there.
        shifts: whether a branch that closes may leave a constant behind.
        **format: `weight_bits` (int, 8) and `per_channel_dense` (bool, False).

    Returns:
        The `Program`.
    """
    builder = Builder(graph, measure, alive, shifts, **format)
    for tensor in graph.model.inputs:
        each = 1 if "float" in tensor.dtype else 4
        builder.place(tensor, builder.fixed(tensor.shape, each))
    for step in graph.steps:
        outputs = (recipe_for(step.layer) or other)(builder, step)
        for tensor, index in zip(step.call.outputs, outputs, strict=True):
            builder.place(tensor, index)
    return builder.program()
