"""Multiply-accumulates of what nothing is cut from, wrapped or not."""

import math
from typing import Any

import keras
import numpy as np

from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.graph.axes import spread
from keras_diffmask.graph.rule import Rule, Step, Term, register, rule_for
from keras_diffmask.graph.units import UnitTable
from keras_diffmask.keras_internals import Call, as_functional, calls
from keras_diffmask.layers.of_cells import cells_of

_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)


def macs_of_call(call: Call) -> float | None:
    """Those of one call for one example; None where nobody knows them.

    Args:
        call: of an operation, a layer or a model; only the shapes of its tensors
            are asked for.
    """
    operation = call.operation
    if hasattr(operation, "layers"):
        try:
            inside = calls(as_functional(operation))
        except UnsupportedModelError:
            return None
        return _sum(macs_of_call(one) for one in inside if one.inputs)
    rule = rule_for(operation)
    if rule is None:
        return None
    rule = rule.of_call(call)
    units = UnitTable()
    step = Step(call, rule, [_ids(tensor, units) for tensor in call.inputs], units)
    step.outputs = rule.trace(step)
    if not rule.counts_macs(step):
        return None
    return sum(term.size(len) for term in rule.macs(step))


def _ids(tensor: Any, units: UnitTable) -> np.ndarray:
    rank = len(tensor.shape) - 1
    size = (tensor.shape[-1] or 1) if rank else 1
    return spread(units.new(size), rank) if rank else units.new(1).reshape(())


def macs_of_cells(layer: Any) -> float | None:
    """Those of one step of a recurrent layer; None for cells of other kinds."""
    return _sum(
        float(math.prod(cell.kernel.shape) + math.prod(cell.recurrent_kernel.shape))
        if isinstance(cell, _CELLS)
        else None
        for cell in cells_of(layer)
    )


def _sum(parts: Any) -> float | None:
    found = list(parts)
    return None if None in found else sum(found)


@register(keras.layers.ConvLSTM1D, keras.layers.ConvLSTM2D, keras.layers.ConvLSTM3D)
class ConvLSTMRule(Rule):
    """Not cut. Both of its convolutions have as many positions as its output."""

    reads = True
    acts_inside = True

    def trace(self, step: Step) -> list[np.ndarray]:
        kind = type(step.layer.cell).__name__
        return step.bar(f"{step.name} runs a cell of class {kind}, which has no rule")

    def macs(self, step: Step) -> list[Term]:
        cell = step.layer.cell
        # Of the output, without the batch and the steps.
        shape = step.call.outputs[0].shape[1 + bool(step.layer.return_sequences) :]
        first = cell.data_format == "channels_first"
        around = shape[1:] if first else shape[:-1]
        positions = math.prod(size or 1 for size in around)
        kernels = (cell.kernel, cell.recurrent_kernel)
        steps = step.call.inputs[0].shape[1] or 1
        return [Term(float(steps * positions * math.prod(k.shape))) for k in kernels]
