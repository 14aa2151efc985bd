"""Slices: some of the channels, or some of the positions."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import channel_axis
from keras_diffmask.graph.rule import Cut, Rule, Step, register
from keras_diffmask.keras_internals import operation_classes


def pick(tensor: Any, places: np.ndarray, axis: int) -> Any:
    """The entries at these places along an axis: a slice where they are a range."""
    axis %= len(tensor.shape)
    if np.array_equal(places, np.arange(tensor.shape[axis])):
        return tensor
    if np.array_equal(places, np.arange(places[0], places[0] + len(places))):
        key = [slice(None)] * len(tensor.shape)
        key[axis] = slice(int(places[0]), int(places[-1]) + 1)
        return tensor[tuple(key)]
    return keras.ops.take(tensor, places.tolist(), axis=axis)


@register(*operation_classes("GetItem"))
class GetItemRule(Rule):
    """`x[:, 1:]`, `x[..., :4]`: slices and numbers, one per axis."""

    def _key(self, step: Step) -> tuple[Any, ...] | None:
        """One slice or int per axis without the batch, or None."""
        args = step.call.arguments
        key = args.kwargs.get("key", args.args[1] if len(args.args) > 1 else None)
        key = key if isinstance(key, tuple) else (key,)
        if any(not isinstance(k, slice | int | type(...)) for k in key):
            return None
        rank = len(step.call.inputs[0].shape)
        if any(k is Ellipsis for k in key):
            place = next(i for i, k in enumerate(key) if k is Ellipsis)
            fill = (slice(None),) * (rank - len(key) + 1)
            key = key[:place] + fill + key[place + 1 :]
        key = (*key, *[slice(None)] * (rank - len(key)))
        plain = all(
            part is None or isinstance(part, int)
            for k in key
            if isinstance(k, slice)
            for part in (k.start, k.stop, k.step)
        )
        return key[1:] if plain and key[0] == slice(None) else None

    def _taken(self, step: Step, key: tuple, array: np.ndarray) -> np.ndarray:
        axis = channel_axis(step.inputs[0])
        # Along other axes the ids have one entry for all positions.
        own = [
            k if place == axis else (0 if isinstance(k, int) else slice(None))
            for place, k in enumerate(key)
        ]
        return array[tuple(own)]

    def trace(self, step: Step) -> list[np.ndarray]:
        key = self._key(step)
        if key is None:
            return step.bar(f"{step.name} takes more than slices of its axes")
        return [self._taken(step, key, step.inputs[0])]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        key = self._key(step)
        if key is None:
            return super().constants(step, inputs)
        return [self._taken(step, key, inputs[0])]

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        key = self._key(step)
        ids = step.inputs[0]
        if key is None or cut.along(ids).all():
            return call(*args, **kwargs)
        axis = channel_axis(ids)
        stays = cut.along(ids)
        if isinstance(key[axis], int):
            left: Any = int(stays[: key[axis] % stays.size].sum())
            rest = (slice(None), *key[:axis], left, *key[axis + 1 :])
            return args[0][rest]
        taken = np.arange(stays.size)[key[axis]]
        taken = taken[stays[taken]]
        place_after = np.cumsum(stays) - 1
        tensor = pick(args[0], place_after[taken], axis + 1)
        rest = (slice(None), *key[:axis], slice(None), *key[axis + 1 :])
        return tensor if all(k == slice(None) for k in rest) else tensor[rest]


@register(*operation_classes("Split"))
class SplitRule(Rule):
    """Several slices along one axis."""

    def _parts(self, step: Step, array: np.ndarray) -> list[np.ndarray] | None:
        rank = len(step.call.inputs[0].shape)
        axis = step.layer.axis % rank - 1
        if axis < 0:
            return None
        if axis != channel_axis(step.inputs[0]):
            return [array] * len(step.call.outputs)
        return np.split(array, step.layer.indices_or_sections, axis=axis)

    def trace(self, step: Step) -> list[np.ndarray]:
        parts = self._parts(step, step.inputs[0])
        return step.bar(f"{step.name} splits the batch") if parts is None else parts

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        parts = self._parts(step, inputs[0])
        return super().constants(step, inputs) if parts is None else parts

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        ids = step.inputs[0]
        stays = cut.along(ids)
        axis = step.layer.axis % len(step.call.inputs[0].shape) - 1
        if stays.all() or axis != channel_axis(ids):
            return call(*args, **kwargs)
        place_after = np.cumsum(stays) - 1
        parts = self._parts(step, np.arange(stays.size).reshape(ids.shape)) or []
        places = [part.reshape(-1) for part in parts]
        return [
            pick(args[0], place_after[part[stays[part]]], axis + 1) for part in places
        ]
