"""Calls whose kernels are told which channels are closed around them."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import ChannelGraph, Step
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.masking.groups import Placement
from keras_diffmask.quantizers import Quantization

_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)

#: The argument of a call -> ids of the channels of its mask, or those of several
#: masks by name.
Told = dict[str, np.ndarray | dict[str, np.ndarray]]


def told_steps(
    graph: ChannelGraph, placement: Placement, integers: Quantization | None
) -> Iterator[tuple[Step, Told]]:
    """The calls to be told which of their inputs, or outputs, are closed.

    The scale of a quantized kernel must not hang on weights that read closed
    channels, nor on those of units that a mask behind the layer closes: both
    go in the strip.

    Args:
        graph: the channel graph of the model.
        placement: its gates.
        integers: what rounds the model; without, there are no scales.

    Yields:
        Steps of layers that have a masked form, and what they are told.
    """
    if integers is None:
        return
    for step in graph.steps:
        if type(step.layer) not in STOCK_TO_MASKED or not step.inputs:
            continue
        told = {"input_gate_mask": _read(step)}
        if _is_closed_behind(step, placement, integers):
            told["output_gate_mask"] = {"": step.outputs[0]}
        found: Told = {}
        for name, masks in told.items():
            gated = {n: i for n, i in masks.items() if _is_gated(graph, placement, i)}
            if gated:
                found[name] = gated.get("", gated)
        if found:
            yield step, found


def _is_gated(graph: ChannelGraph, placement: Placement, ids: np.ndarray) -> bool:
    return bool(placement.gates_of(graph.units.root(ids.reshape(-1))))


def _knows_its_inputs(step: Step) -> bool:
    masked = STOCK_TO_MASKED[type(step.layer)]
    if not getattr(masked, "read_axes", {}) and not isinstance(step.layer, _RECURRENT):
        return False
    if isinstance(step.layer, keras.layers.EinsumDense):
        # It reads along any axis: the last is the one that it knows.
        return step.inputs[0].size == step.inputs[0].shape[-1]
    return _has_one_id_per_channel(step.inputs[0])


def _has_one_id_per_channel(ids: np.ndarray) -> bool:
    """Whether each channel is the same at every place and time."""
    return ids.size == max(ids.shape, default=0)


def _read(step: Step) -> dict[str, np.ndarray]:
    """What a kernel reads, by name where there are several; "" is all there is."""
    if isinstance(step.layer, keras.layers.MultiHeadAttention):
        return _read_by_name(step)
    return {"": step.inputs[0]} if _knows_its_inputs(step) else {}


def _read_by_name(step: Step) -> dict[str, np.ndarray]:
    """What an attention reads as query, value and key, which may be the value.

    Nothing where a tensor is no channels, but a mask: the rule then bars it.
    """
    rule: Any = step.rule
    names = rule.names(step)
    if len(names) != len(step.inputs):
        return {}
    given = dict(zip(names, step.inputs, strict=True))
    return {"key": given["value"], **given}


def _is_closed_behind(step: Step, placement: Placement, integers: Quantization) -> bool:
    """Whether a mask behind closes units with one scale, and none on the kernel."""
    masked = STOCK_TO_MASKED[type(step.layer)]
    is_dense = isinstance(step.layer, keras.layers.Dense)
    if not getattr(masked, "is_told_of_outputs", False):
        return False
    if is_dense and integers.per_channel_dense:
        return False
    on_kernel = id(step.layer) in placement.weight_sites and not step.hidden
    return not on_kernel and _has_one_id_per_channel(step.outputs[0])
