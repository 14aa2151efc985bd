"""TimeDistributed: the rule of what it wraps."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register, rule_for
from keras_diffmask.graph.rules import weights
from keras_diffmask.graph.rules.whole import macs_of_call
from keras_diffmask.keras_internals import Call


@register(keras.layers.TimeDistributed)
class TimeDistributedRule(Rule):
    """The wrapped layer at every time step."""

    def inner(self, step: Step) -> Step | None:
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
        if type(rule).perform is not Rule.perform:
            # What is to be done around the layer would have to be done inside.
            return None
        inner = Step(_at_one_step(step), rule, [step.inputs[0][0]], step.units)
        inner.outputs = rule.trace(inner)
        return inner

    @property
    def writes(self) -> bool:
        # That depends on what is wrapped; a unit that passes is known already.
        return True

    def trace(self, step: Step) -> list[np.ndarray]:
        inner = self.inner(step)
        if inner is None:
            kind = type(step.layer.layer).__name__
            return step.bar(f"{step.name} wraps a {kind}, which it cannot be cut with")
        return [ids[None] for ids in inner.outputs]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        inner = self.inner(step)
        if inner is None:
            return super().constants(step, inputs)
        return [v[None] for v in inner.rule.constants(inner, [inputs[0][0]])]

    def holds(self, step: Step, kept: np.ndarray, inputs: list, outputs: list) -> Any:
        inner = self.inner(step)
        if inner is None:
            return iter(())
        return inner.rule.holds(inner, kept, [inputs[0][0]], [outputs[0][0]])

    def settles(self, step: Step, zero: bool) -> bool:
        inner = self.inner(step)
        return inner is not None and inner.rule.settles(inner, zero)

    def foldable(self, step: Step, index: int) -> bool:
        inner = self.inner(step)
        return inner is not None and inner.rule.foldable(inner, index)

    def macs(self, step: Step) -> list[Term]:
        inner = self.inner(step)
        steps = step.call.inputs[0].shape[1] or 1
        if inner is None:
            return [Term(steps * (self._whole_macs(step) or 0.0))]
        return [
            Term(steps * t.factor, t.rows, t.columns, depth=t.depth)
            for t in inner.rule.macs(inner)
        ]

    def counts_macs(self, step: Step) -> bool:
        inner = self.inner(step)
        if inner is None:
            return self._whole_macs(step) is not None
        return inner.rule.counts_macs(inner)

    def _whole_macs(self, step: Step) -> float | None:
        """Of one time step, in which nothing can be cut."""
        if "whole_macs" not in step.memo:
            step.memo["whole_macs"] = macs_of_call(_at_one_step(step))
        return step.memo["whole_macs"]

    def parameters(self, step: Step) -> list[Term]:
        inner = self.inner(step)
        if inner is None:
            return super().parameters(step)
        return inner.rule.parameters(inner)

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        inner = self.inner(step)
        if inner is None:
            return {}, {}
        constants = [values[0] for values in cut.constants]
        part = replace(cut, constants=constants)
        changes, left = inner.rule.shrink(inner, part)
        config = step.layer.get_config()["layer"]
        return {"layer": weights.changed(config, changes)}, left

    def leak_free(self, step: Step) -> bool:
        inner = self.inner(step)
        return inner is not None and inner.rule.leak_free(inner)


def _at_one_step(step: Step) -> Call:
    """The call of the wrapped layer, on what there is of each tensor at one step."""
    read, written = (
        tuple(
            SimpleNamespace(shape=(tensor.shape[0], *tensor.shape[2:]))
            for tensor in tensors
        )
        for tensors in (step.call.inputs, step.call.outputs)
    )
    return Call(step.layer.layer, read, written, step.call.arguments)
