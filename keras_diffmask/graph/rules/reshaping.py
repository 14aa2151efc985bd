"""Flatten, Reshape, Permute and their like: where channels lie, not what they are."""

from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import channel_axis, settle
from keras_diffmask.graph.rule import Cut, Rule, Step, register
from keras_diffmask.keras_internals import operation_classes


class _ReshapeRule(Rule):
    """The same entries in another shape."""

    def _movable(self, step: Step) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Shapes before and after without the batch, or None where unknown."""
        if getattr(step.layer, "data_format", None) == "channels_first":
            return None
        before = step.call.inputs[0].shape
        after = step.call.outputs[0].shape
        # The batch has to stay what it was.
        if not after or before[0] != after[0]:
            return None
        pair = [list(before[1:]), list(after[1:])]
        unknown = [shape.count(None) for shape in pair]
        if unknown == [1, 1] and pair[0][0] is None and pair[1][0] is None:
            pair[0][0] = pair[1][0] = 1
        elif any(unknown):
            return None
        if np.prod(pair[0]) != np.prod(pair[1]):
            return None
        return tuple(pair[0]), tuple(pair[1])

    def trace(self, step: Step) -> list[np.ndarray]:
        shapes = self._movable(step)
        if shapes is None:
            return step.bar(f"{step.name} reshapes axes of unknown size or order")
        return [settle(step.units, _moved(shapes, step.inputs[0]))]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        shapes = self._movable(step)
        if shapes is None:
            return super().constants(step, inputs)
        return [_agreed(_moved(shapes, inputs[0]), step.outputs[0].shape)]

    def _target(self, step: Step, cut: Cut) -> tuple[int, ...]:
        """The shape without the batch once the channels are cut."""
        shape = [-1 if size is None else size for size in step.call.outputs[0].shape]
        ids = step.outputs[0]
        if ids.size > 1:
            shape[channel_axis(ids) + 1] = int(cut.along(ids).sum())
        return tuple(shape[1:])


@register(keras.layers.Flatten)
class FlattenRule(_ReshapeRule):
    """One channel becomes H * W entries that go together."""


@register(keras.layers.Reshape)
class ReshapeRule(_ReshapeRule):
    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self._movable(step) is None:
            return {}, {}
        return {"target_shape": self._target(step, cut)}, {}


@register(*operation_classes("Reshape"))
class ReshapeOperatorRule(_ReshapeRule):
    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self._movable(step) is None:
            return {}, {}
        batch = step.call.outputs[0].shape[0]
        target = (-1 if batch is None else batch, *self._target(step, cut))
        if target.count(-1) > 1:
            return {}, {}
        return {"newshape": target}, {}


@register(keras.layers.RepeatVector)
class RepeatVectorRule(Rule):
    def trace(self, step: Step) -> list[np.ndarray]:
        return [step.inputs[0].reshape(1, -1)]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return [inputs[0].reshape(1, -1)]


class _TransposeRule(Rule):
    """Axes change places; the batch stays first."""

    def _order(self, step: Step) -> list[int] | None:
        """The new order of axes, counted without the batch."""
        raise NotImplementedError

    def trace(self, step: Step) -> list[np.ndarray]:
        order = self._order(step)
        if order is None:
            return step.bar(f"{step.name} moves the axis of the batch")
        return [np.transpose(step.inputs[0], order)]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        order = self._order(step)
        if order is None:
            return super().constants(step, inputs)
        return [np.transpose(inputs[0], order)]


@register(keras.layers.Permute)
class PermuteRule(_TransposeRule):
    def _order(self, step: Step) -> list[int] | None:
        return [axis - 1 for axis in step.layer.dims]


@register(*operation_classes("Transpose"))
class TransposeRule(_TransposeRule):
    def _order(self, step: Step) -> list[int] | None:
        rank = len(step.call.inputs[0].shape)
        axes = step.layer.axes or tuple(reversed(range(rank)))
        axes = [axis % rank for axis in axes]
        return [axis - 1 for axis in axes[1:]] if axes[0] == 0 else None


@register(*operation_classes("ExpandDims", "Squeeze"))
class AxisOfOneRule(_ReshapeRule):
    """An axis of length 1 more or less."""


_Shape = tuple[int, ...]


def _moved(shapes: tuple[_Shape, _Shape], array: np.ndarray) -> np.ndarray:
    before, after = shapes
    return np.broadcast_to(array, before).reshape(after)


def _agreed(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """One value per channel, NaN where the entries of a channel differ."""
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1)
    first = values[tuple(slice(0, 1) if n == 1 else slice(None) for n in shape)]
    same = np.all(values == first, axis=axes, keepdims=True)
    return np.where(same, first, np.nan)


@register(*operation_classes("Flip"))
class FlipRule(Rule):
    """The same entries the other way round, along some axes or all."""

    def _flipped(self, step: Step, array: np.ndarray) -> np.ndarray:
        chosen, rank = step.layer.axis, array.ndim + 1
        axes = range(rank) if chosen is None else np.atleast_1d(chosen) % rank
        # Without the batch; along an axis of size 1 all positions are alike.
        return np.flip(array, tuple(axis - 1 for axis in axes if axis > 0))

    def trace(self, step: Step) -> list[np.ndarray]:
        return [self._flipped(step, step.inputs[0])]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return [self._flipped(step, inputs[0])]
