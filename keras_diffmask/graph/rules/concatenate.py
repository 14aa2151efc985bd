"""Concatenate: the channels of several tensors, side by side."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import channel_axis
from keras_diffmask.graph.rule import Cut, Rule, Step, register
from keras_diffmask.keras_internals import operation_classes


@register(keras.layers.Concatenate, *operation_classes("Concatenate"))
class ConcatenateRule(Rule):
    merges = True

    def _axis(self, step: Step) -> int:
        """The axis of joining, counted without the batch."""
        axis = step.layer.axis
        return (axis if axis >= 0 else axis + len(step.call.inputs[0].shape)) - 1

    def _along(self, step: Step) -> bool | None:
        """Whether channels lie along the axis; None where some do and some don't."""
        axis = self._axis(step)
        running = {channel_axis(ids) for ids in step.inputs if ids.size > 1}
        running = running or {step.inputs[0].ndim - 1}
        return axis in running if len(running) == 1 else None

    def trace(self, step: Step) -> list[np.ndarray]:
        axis, along = self._axis(step), self._along(step)
        if axis < 0 or along is None:
            return step.bar(f"{step.name} joins tensors along axes that differ")
        if along:
            sizes = [tensor.shape[axis + 1] for tensor in step.call.inputs]
            parts = [
                _stretched(ids, axis, size)
                for ids, size in zip(step.inputs, sizes, strict=True)
            ]
            return [np.concatenate(parts, axis=axis)]
        longest = max(step.inputs, key=lambda ids: ids.size)
        for ids in step.inputs:
            step.units.tie(longest, ids)
        return [longest]

    def does_without(self, step: Step) -> bool:
        return self._axis(step) >= 0 and self._along(step) is True

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        rest = [tensor for tensor in args[0] if tensor is not None]
        return call(rest, *args[1:], **kwargs) if len(rest) > 1 else rest[0]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        axis, along = self._axis(step), self._along(step)
        if axis < 0 or along is None:
            return super().constants(step, inputs)
        if along:
            sizes = [tensor.shape[axis + 1] for tensor in step.call.inputs]
            parts = [_stretched(v, axis, n) for v, n in zip(inputs, sizes, strict=True)]
            return [np.concatenate(parts, axis=axis)]
        shape = step.outputs[0].shape
        values = np.stack([np.broadcast_to(value, shape) for value in inputs])
        return [np.where(np.all(values == values[0], axis=0), values[0], np.nan)]


def _stretched(array: np.ndarray, axis: int, size: Any) -> np.ndarray:
    """An array whose one entry along `axis` stands for `size` of them."""
    return np.repeat(array, size, axis=axis) if array.shape[axis] != size else array
