"""TimeDistributed and Bidirectional: the rules of what they wrap."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import spread
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register, rule_for
from keras_diffmask.graph.rules import weights
from keras_diffmask.graph.rules.recurrent import (
    Cell,
    RecurrentRule,
    cell_changes,
    shrunk_cell,
)
from keras_diffmask.keras_internals import Call


@register(keras.layers.TimeDistributed)
class TimeDistributedRule(Rule):
    """The wrapped layer at every time step."""

    def _inner(self, step: Step) -> Step | None:
        """A call of the wrapped layer at one time step, or None."""
        if "inner" not in step.memo:
            step.memo["inner"] = self._make_inner(step)
        return step.memo["inner"]

    def _make_inner(self, step: Step) -> Step | None:
        layer = step.layer.layer
        rule = rule_for(layer)
        several = len(step.inputs) != 1 or len(step.call.outputs) != 1
        if several or rule is None or rule.acts_inside or step.inputs[0].shape[0] != 1:
            return None
        tensors = (*step.call.inputs, *step.call.outputs)
        read, written = (
            SimpleNamespace(shape=(tensor.shape[0], *tensor.shape[2:]))
            for tensor in tensors
        )
        call = Call(layer, (read,), (written,), step.call.arguments)
        inner = Step(call, rule, [step.inputs[0][0]], step.units)
        inner.outputs = rule.trace(inner)
        return inner

    @property
    def writes(self) -> bool:
        # That depends on what is wrapped; a unit that passes is known already.
        return True

    def trace(self, step: Step) -> list[np.ndarray]:
        inner = self._inner(step)
        if inner is None:
            kind = type(step.layer.layer).__name__
            return step.bar(f"{step.name} wraps a {kind}, which it cannot be cut with")
        return [ids[None] for ids in inner.outputs]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        inner = self._inner(step)
        if inner is None:
            return super().constants(step, inputs)
        return [v[None] for v in inner.rule.constants(inner, [inputs[0][0]])]

    def holds(self, step: Step, kept: np.ndarray, inputs: list, outputs: list) -> Any:
        inner = self._inner(step)
        if inner is None:
            return iter(())
        return inner.rule.holds(inner, kept, [inputs[0][0]], [outputs[0][0]])

    def settles(self, step: Step, zero: bool) -> bool:
        inner = self._inner(step)
        return inner is not None and inner.rule.settles(inner, zero)

    def foldable(self, step: Step, index: int) -> bool:
        inner = self._inner(step)
        return inner is not None and inner.rule.foldable(inner, index)

    def macs(self, step: Step) -> list[Term]:
        inner = self._inner(step)
        if inner is None:
            return super().macs(step)
        steps = step.call.inputs[0].shape[1] or 1
        return [
            Term(steps * t.factor, t.rows, t.columns, depth=t.depth)
            for t in inner.rule.macs(inner)
        ]

    def parameters(self, step: Step) -> list[Term]:
        inner = self._inner(step)
        if inner is None:
            return super().parameters(step)
        return inner.rule.parameters(inner)

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        inner = self._inner(step)
        if inner is None:
            return {}, {}
        constants = [values[0] for values in cut.constants]
        part = replace(cut, constants=constants)
        changes, left = inner.rule.shrink(inner, part)
        config = step.layer.get_config()["layer"]
        return {"layer": weights.changed(config, changes)}, left

    def leak_free(self, step: Step) -> bool:
        inner = self._inner(step)
        return inner is not None and inner.rule.leak_free(inner)


@register(keras.layers.Bidirectional)
class BidirectionalRule(RecurrentRule):
    """Two recurrent layers of one width: their units go in pairs."""

    def _layers(self, step: Step) -> tuple[Any, Any]:
        return step.layer.forward_layer, step.layer.backward_layer

    def reason(self, step: Step) -> str | None:
        layers = self._layers(step)
        if not all(hasattr(layer, "cell") for layer in layers):
            return f"{step.name} wraps layers that have no cell"
        if layers[0].cell.units != layers[1].cell.units:
            return f"{step.name} wraps layers of different widths"
        if len(step.inputs) > 1:
            return f"{step.name} takes an initial state"
        for layer in layers:
            call = replace(step.call, operation=layer)
            reason = super().reason(Step(call, self, step.inputs, step.units))
            if reason:
                return reason
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self.reason(step)
        if reason:
            return step.bar(reason)
        size = step.layer.forward_layer.cell.units
        units = step.memo["units"] = step.units.new(size)
        return [
            spread(np.tile(units, t.shape[-1] // size), len(t.shape) - 1)
            for t in step.call.outputs
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
        stays = self._stays(step, kept)
        used = [cell.used(stays) for cell in self._cells(step)]
        return np.any(used, axis=0).reshape(step.inputs[0].shape)

    def recurs(self, step: Step, kept: np.ndarray) -> np.ndarray:
        if self._barred(step):
            return Rule.recurs(self, step, kept)
        stays = self._stays(step, kept)
        read = np.any([cell.read(stays) for cell in self._cells(step)], axis=0)
        times = step.outputs[0].size // read.size
        return np.tile(read, times).reshape(step.outputs[0].shape)

    def _stays(self, step: Step, kept: np.ndarray) -> np.ndarray:
        return kept[step.units.root(step.memo["units"])]

    def _cells(self, step: Step) -> list[Cell]:
        return [Cell(layer) for layer in self._layers(step)]

    def takes(self, step: Step, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
        return rows

    def macs(self, step: Step) -> list[Term]:
        if self._barred(step):
            return []
        steps = step.call.inputs[0].shape[1] or 1
        return [
            Term(steps * term.factor, term.rows, term.columns)
            for term in self._products(step)
        ]

    def _products(self, step: Step) -> list[Term]:
        rows, units = step.inputs[0].reshape(-1), step.memo["units"]
        gates = sum(cell.gates for cell in self._cells(step))
        return [Term(gates, rows, units), Term(gates, units, units)]

    def parameters(self, step: Step) -> list[Term]:
        if self._barred(step):
            return Rule.parameters(self, step)
        biases = sum(cell.biases_per_unit() for cell in self._cells(step))
        return [*self._products(step), Term(biases, None, step.memo["units"])]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self._barred(step):
            return {}, {}
        stays = cut.along(step.memo["units"])
        config = step.layer.get_config()
        changes: dict[str, Any] = {}
        left = []
        constants = cut.constants[0].reshape(-1)
        pairs = zip(("layer", "backward_layer"), self._layers(step), strict=True)
        for name, layer in pairs:
            kernels = shrunk_cell(layer, cut.rows, stays, constants)
            more = cell_changes(layer, stays, kernels)
            changes[name] = weights.changed(config[name], more)
            left += list(kernels.values())
        return changes, left
