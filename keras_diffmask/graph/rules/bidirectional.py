"""Bidirectional: two recurrent layers, whose units go by themselves or in pairs."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_diffmask import rebuild
from keras_diffmask.graph.axes import spread
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.graph.rules.initial_state import constant_states
from keras_diffmask.graph.rules.recurrent import (
    Cell,
    RecurrentRule,
    cell_changes,
    shrunk_cell,
)
from keras_diffmask.graph.rules.whole import macs_of_cells
from keras_diffmask.keras_internals import maker_of
from keras_diffmask.layers import STOCK_TO_MASKED


@register(keras.layers.Bidirectional)
class BidirectionalRule(RecurrentRule):
    """Two recurrent layers of one width.

    Where their outputs are concatenated, each unit is one by itself, and the
    two layers may end up with different widths. Keras cannot say the shape of
    such a `Bidirectional`, so that they then stand side by side in the graph.
    Everywhere else the units of the two go in pairs: where their outputs are
    added, where the states are asked for, and where steps are masked, since
    Keras has nothing but `Bidirectional` that turns a sequence round and
    passes its mask on. With a quantizer so do those of a plain `RNN`: no masked
    layer stands for one, which could round its kernels by itself.
    """

    def _layers(self, step: Step) -> tuple[Any, Any]:
        return step.layer.forward_layer, step.layer.backward_layer

    def reason(self, step: Step) -> str | None:
        layers = self._layers(step)
        if not all(hasattr(layer, "cell") for layer in layers):
            return f"{step.name} wraps layers that have no cell"
        if not all(Cell(layer).is_known for layer in layers):
            return f"{step.name} wraps cells that have no rule"
        if layers[0].cell.units != layers[1].cell.units:
            return f"{step.name} wraps layers of different widths"
        if len(step.inputs) > 1 or constant_states(step.call):
            return f"{step.name} takes an initial state"
        for layer in layers:
            call = replace(step.call, operation=layer)
            reason = super().reason(Step(call, self, step.inputs, step.units))
            if reason:
                return reason
        return None

    def _may_part(self, step: Step) -> bool:
        """Whether the two directions may have different widths."""
        layer = step.layer
        is_masked = bool(step.call.masks) and layer.return_sequences
        has_one_type = len({x.compute_dtype for x in (layer, *self._layers(step))}) == 1
        one_output = layer.merge_mode == "concat" and len(step.call.outputs) == 1
        may = one_output and not is_masked and not layer.stateful and has_one_type
        return may and (_quantizer(step) is None or self._have_masked_forms(step))

    def _have_masked_forms(self, step: Step) -> bool:
        """Whether each direction by itself can have a quantizer."""
        return all(type(layer) in STOCK_TO_MASKED for layer in self._layers(step))

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self.reason(step)
        if reason:
            return step.bar(reason)
        size = step.layer.forward_layer.cell.units
        both = step.memo["units"] = (step.units.new(size), step.units.new(size))
        if not self._may_part(step):
            step.units.tie(*both)
        joined = np.concatenate(both)
        return [
            spread(joined[: t.shape[-1]], len(t.shape) - 1) for t in step.call.outputs
        ]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self._barred(step):
            return Rule.constants(self, step, inputs)
        size = step.layer.forward_layer.cell.units
        free = np.zeros(size, bool)
        pair = [cell.closed(inputs[0].reshape(-1), free) for cell in self._cells(step)]
        both = pair[0] & pair[1]
        values = [np.where(closed, 0.0, np.nan) for closed in pair]
        outputs = []
        for ids in step.outputs:
            # Joined, or one of the two, or both in one: only what is sure.
            joined = np.concatenate(values)
            sure = joined if ids.size == 2 * size else np.where(both, 0.0, np.nan)
            outputs.append(sure.reshape(ids.shape))
        return outputs

    def _barred(self, step: Step) -> bool:
        return "units" not in step.memo

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        if self._barred(step):
            return Rule.needed(self, step, index, kept)
        pairs = zip(self._cells(step), self._both_stay(step, kept), strict=True)
        used = [cell.used(stays) for cell, stays in pairs]
        return np.any(used, axis=0).reshape(step.inputs[0].shape)

    def recurs(self, step: Step, kept: np.ndarray) -> np.ndarray:
        if self._barred(step):
            return Rule.recurs(self, step, kept)
        pairs = zip(self._cells(step), self._both_stay(step, kept), strict=True)
        read = np.array([cell.read(stays) for cell, stays in pairs])
        if step.outputs[0].size != read.size:
            # One unit stands for a pair.
            read = np.any(read, axis=0)
        return read.reshape(step.outputs[0].shape)

    def _both_stay(self, step: Step, kept: np.ndarray) -> list[np.ndarray]:
        return [kept[step.units.root(units)] for units in step.memo["units"]]

    def _cells(self, step: Step) -> list[Cell]:
        return [Cell(layer) for layer in self._layers(step)]

    def takes(self, step: Step, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
        return rows

    def macs(self, step: Step) -> list[Term]:
        steps = step.call.inputs[0].shape[1] or 1
        if self._barred(step):
            return [Term(steps * (both or 0.0)) for both in self._macs_of_cells(step)]
        return [
            Term(steps * term.factor, term.rows, term.columns)
            for term in self._products(step)
        ]

    def _macs_of_cells(self, step: Step) -> list[float | None]:
        return [
            macs_of_cells(layer) if hasattr(layer, "cell") else None
            for layer in self._layers(step)
        ]

    def counts_macs(self, step: Step) -> bool:
        return None not in self._macs_of_cells(step)

    def _products(self, step: Step) -> list[Term]:
        rows = step.inputs[0].reshape(-1)
        return [
            Term(cell.gates, read, units)
            for cell, units in zip(self._cells(step), step.memo["units"], strict=True)
            for read in (rows, units)
        ]

    def parameters(self, step: Step) -> list[Term]:
        if self._barred(step):
            return Rule.parameters(self, step)
        pairs = zip(self._cells(step), step.memo["units"], strict=True)
        biases = [Term(cell.biases_per_unit(), None, units) for cell, units in pairs]
        return [*self._products(step), *biases]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self._barred(step):
            return {}, {}
        config = step.layer.get_config()
        changes: dict[str, Any] = {}
        left = []
        constants = cut.constants[0].reshape(-1)
        for name, side, layer, units in zip(
            ("layer", "backward_layer"),
            ("forward", "backward"),
            self._layers(step),
            step.memo["units"],
            strict=True,
        ):
            stays = cut.along(units)
            kernels = shrunk_cell(layer, cut.rows, stays, constants)
            more = cell_changes(layer, stays, kernels)
            if self._parts(step, cut):
                # They become layers of the model's own.
                more["name"] = cut.free_name(f"{side}_{step.name}")
            changes[name] = weights.changed(config[name], more)
            left += list(kernels.values())
        return changes, left

    def _parts(self, step: Step, cut: Cut) -> bool:
        forward, backward = (cut.along(units).sum() for units in step.memo["units"])
        return bool(forward != backward)

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        outputs = call(*args, **kwargs)
        if self._barred(step) or not self._parts(step, cut):
            return outputs
        # Built and given its weights; of it, the two layers are what is left.
        both = maker_of(outputs)
        given = inspect.signature(both.call).bind(*args, **kwargs).arguments
        given.pop("initial_state", None)
        forward, backward = (
            _alone(layer, _quantizer(step), given)
            for layer in (both.forward_layer, both.backward_layer)
        )
        if both.return_sequences:
            backward = keras.ops.flip(backward, axis=1)
            maker_of(backward).name = cut.free_name(f"flip_{step.name}")
        joined = keras.ops.concatenate([forward, backward], axis=-1)
        maker_of(joined).name = cut.free_name(f"concat_{step.name}")
        return joined


def _quantizer(step: Step) -> Any:
    return getattr(step.layer, "quantizer", None)


def _alone(layer: Any, quantizer: Any, given: dict[str, Any]) -> Any:
    """What one direction makes of its arguments, as a layer of the model's own.

    Args:
        layer: the direction.
        quantizer: that of both, of which each gets a copy; or None.
        given: the arguments.
    """
    if quantizer is None:
        return layer(**given)
    masked = STOCK_TO_MASKED[type(layer)]
    own = rebuild.clone(quantizer, name=f"{layer.name}_quantizer")
    alone = masked.from_config(
        {
            **layer.get_config(),
            **masked.without_gates,
            "quantizer": keras.saving.serialize_keras_object(own),
        }
    )
    outputs = alone(**given)
    rebuild.assign(alone, rebuild.arrays(layer))
    alone.quantizer.set_weights(quantizer.get_weights())
    return outputs
