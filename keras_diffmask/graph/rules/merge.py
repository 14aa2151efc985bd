"""Layers and operators whose inputs meet channel by channel: tied, they go together."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import channel_axis
from keras_diffmask.graph.rule import Cut, Rule, Step, register


def meet(step: Step) -> list[np.ndarray]:
    """Tie the channels that meet, and return the ids of the output."""
    shapes = [tensor.shape[1:] for tensor in step.call.inputs]
    wanted = step.call.outputs[0].shape[1:]
    running = {channel_axis(ids) for ids in step.inputs if ids.size > 1}
    if any(len(shape) != len(wanted) for shape in shapes) or len(running) > 1:
        return step.bar(f"{step.name} broadcasts its inputs")
    axis = running.pop() if running else len(wanted) - 1
    full = [
        ids
        for ids, shape in zip(step.inputs, shapes, strict=True)
        if not wanted or shape[axis] == wanted[axis]
    ]
    for ids in step.inputs:
        # One channel against many: it is in all of them.
        if not any(ids is other for other in full):
            step.units.pin(ids, f"{step.name} broadcasts its inputs")
    if not full:
        return step.bar(f"{step.name} broadcasts its inputs")
    longest = max(full, key=lambda ids: ids.size)
    for ids in full:
        step.units.tie(longest, ids)
    return [longest]


class MergeRule(Rule):
    """y = f(a, b, ...) of inputs of the same channels."""

    merges = True
    function: Callable[..., np.ndarray]

    def trace(self, step: Step) -> list[np.ndarray]:
        return meet(step)

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        shape = step.outputs[0].shape
        try:
            values = [np.broadcast_to(value, shape) for value in inputs]
        except ValueError:
            return super().constants(step, inputs)
        return [np.asarray(self.combine(values), np.float64)]

    def leak_free(self, step: Step) -> bool:
        # One channel that meets many is added to those that are closed, too.
        sizes = {ids.size for ids in step.inputs}
        return self.absorbs or len(sizes) == 1

    def combine(self, values: list[np.ndarray]) -> np.ndarray:
        """The function of constants, NaN where it varies."""
        total = values[0]
        for value in values[1:]:
            total = type(self).function(total, value)
        return total


@register(keras.layers.Add)
class AddRule(MergeRule):
    sums_inputs = True
    function = np.add

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        if not any(cut.gone):
            return call(*args, **kwargs)
        operands = list(args[0]) if len(args) == 1 else list(args)
        stays = cut.along(step.outputs[0])
        offset = np.zeros(stays.size)
        for value, is_gone in zip(cut.constants, cut.gone, strict=True):
            if is_gone:
                offset = offset + value.reshape(-1)
        rest = [x for x, gone in zip(operands, cut.gone, strict=True) if not gone]
        result = rest[0]
        if len(rest) > 1:
            result = call(rest, **kwargs)
        if np.any(offset[stays] != 0):
            result = self._shift(step, cut, offset)(result)
        return result

    def _shift(self, step: Step, cut: Cut, offset: np.ndarray) -> Any:
        stays = cut.along(step.outputs[0])
        ids = step.outputs[0]
        # An array: a list would go through float32 in any model.
        values = offset[stays].reshape([-1 if n > 1 else 1 for n in ids.shape])
        return keras.layers.Rescaling(
            1.0,
            values.reshape(-1) if channel_axis(ids) == ids.ndim - 1 else values,
            name=cut.free_name(f"{step.name}_constant"),
            dtype=getattr(step.layer, "dtype_policy", None),
        )


@register(keras.layers.Subtract)
class SubtractRule(MergeRule):
    function = np.subtract


@register(keras.layers.Maximum)
class MaximumRule(MergeRule):
    function = np.maximum


@register(keras.layers.Minimum)
class MinimumRule(MergeRule):
    function = np.minimum


@register(keras.layers.Average)
class AverageRule(MergeRule):
    def combine(self, values: list[np.ndarray]) -> np.ndarray:
        return np.mean(values, axis=0)


@register(keras.layers.Multiply)
class MultiplyRule(MergeRule):
    """A channel at 0 stays at 0 whatever it is multiplied by."""

    absorbs = True

    def combine(self, values: list[np.ndarray]) -> np.ndarray:
        total = np.prod(values, axis=0)
        return np.where(np.any(np.equal(values, 0), axis=0), 0.0, total)
