"""Points: which tensors of a model have integers on the device, and whose range."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask import keras_internals
from keras_diffmask.keras_internals import Call
from keras_diffmask.quantization import kinds


@dataclass(frozen=True)
class Point:
    """A tensor that is rounded.

    Attributes:
        key: points of the same key share one range.
        name: what the tensor comes from.
        observe: whether the range follows this tensor.
        fixed: the range where the specification gives it.
    """

    key: int
    name: str
    observe: bool
    fixed: tuple[float, float] | None = None


def find_points(model: keras.Model) -> dict[int, Point]:
    """Where a Functional model's tensors are rounded on the device.

    One point per operator of the .tflite file that has a scale of its own: the
    end of a chain kernel, normalization, ReLU, which become one operator; the
    output of anything else that computes. What only moves integers about
    (pooling, reshapes, padding) has none, and what joins tensors under one scale
    (a concatenation) shares the one behind it with all of them.

    Args:
        model: a Functional model, with or without masks.

    Returns:
        id of a tensor -> its `Point`.
    """
    return _Finder(model).points()


class _Finder:
    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.calls = list(keras_internals.calls(model))
        self.names = {id(t): keras_internals.maker_of(t).name for t in model.inputs}
        self.readers: dict[int, list[Call]] = {}
        #: Union-find of tensors that have one scale.
        self.parent: dict[int, int] = {}
        self.made_by: dict[int, str] = {id(t): kinds.OWN for t in model.inputs}
        self.fixed: dict[int, tuple[float, float]] = {}
        # What says which channels are open is 0 or 1 as it is.
        self.masks = {id(mask) for call in self.calls for mask in kinds.masks_of(call)}
        self.order = [t for t in model.inputs if kinds.is_float(t)]
        for call in self.calls:
            for tensor in call.inputs:
                self.readers.setdefault(id(tensor), []).append(call)
            if kinds.kind_of(call) != kinds.NONE:
                self.order += [t for t in call.outputs if kinds.is_float(t)]
        self.kept = {id(tensor) for tensor in model.outputs}
        self.inside = {id(tensor) for tensor in self._inside_of_chains()}

    def points(self) -> dict[int, Point]:
        for call in self.calls:
            self._tie(call)
        calibrated = self._calibrated()
        joined = {
            self._root(id(call.outputs[0]))
            for call in self.calls
            if kinds.kind_of(call) == kinds.JOINED
        }
        points = {}
        for tensor in self.order:
            key = self._root(id(tensor))
            is_none = id(tensor) in self.inside or id(tensor) in self.masks
            if is_none or key in calibrated:
                continue
            how = self.made_by[id(tensor)]
            if how == kinds.SAME or self._is_rounded_behind(tensor):
                continue
            observe = how != kinds.ROUNDED
            if key in joined:
                observe = how == kinds.JOINED and not self._is_joined_again(tensor)
            fixed = self.fixed.get(id(tensor))
            points[id(tensor)] = Point(key, self.names[id(tensor)], observe, fixed)
        return points

    # -- chains --------------------------------------------------------------------

    def _inside_of_chains(self) -> Iterator[Any]:
        """Tensors that are no more once kernel, normalization and ReLU are one."""
        for call in self.calls:
            is_kernel = kinds.is_kernel(call.operation)
            if not is_kernel and not kinds.takes_relu(call.operation):
                continue
            tensor, folds = call.outputs[0], is_kernel
            if is_kernel and kinds.activation_of(call.operation) != "linear":
                continue
            while (reader := self._only_reader(tensor)) is not None:
                fuses = kinds.is_relu(reader.operation)
                if not fuses and not (folds and kinds.is_norm(reader.operation)):
                    break
                yield tensor
                tensor = reader.outputs[0]
                if fuses and not self._is_linear(reader):
                    break

    def _is_linear(self, call: Call) -> bool:
        is_activation = isinstance(call.operation, keras.layers.Activation)
        return is_activation and kinds.activation_of(call.operation) == "linear"

    def _only_reader(self, tensor: Any) -> Call | None:
        readers = self.readers.get(id(tensor), [])
        is_only = len(readers) == 1 and id(tensor) not in self.kept
        return readers[0] if is_only else None

    # -- one scale -----------------------------------------------------------------

    def _tie(self, call: Call) -> None:
        kind, first = kinds.kind_of(call), id(call.outputs[0])
        for tensor in call.outputs:
            self.made_by[id(tensor)] = kind
            self.names[id(tensor)] = call.operation.name
        if kind == kinds.FIXED:
            self.fixed[first] = kinds.fixed_range(call.operation) or (0.0, 1.0)
        if kind in (kinds.SAME, kinds.ROUNDED):
            for tensor in (*call.inputs[:1], *call.outputs[1:]):
                self._union(id(tensor), first)
        if kind == kinds.JOINED:
            for tensor in call.inputs:
                # What has a fixed scale is converted, on the device too.
                if self._root(id(tensor)) not in map(self._root, self.fixed):
                    self._union(id(tensor), first)

    def _root(self, tensor: int) -> int:
        while self.parent.get(tensor, tensor) != tensor:
            tensor = self.parent[tensor]
        return tensor

    def _union(self, one: int, other: int) -> None:
        self.parent[self._root(one)] = self._root(other)

    def _calibrated(self) -> set[int]:
        """Those with a recurrent layer at either end: its operator wants no range."""
        return {
            self._root(id(tensor))
            for call in self.calls
            if kinds.kind_of(call) == kinds.RECURRENT
            for tensor in (*call.inputs, *call.outputs)
        }

    # -- where a rounding would be done twice ----------------------------------------

    def _is_rounded_behind(self, tensor: Any) -> bool:
        """Whether all that reads it joins it, and rounds on the same scale."""
        readers = self.readers.get(id(tensor), [])
        if not readers or id(tensor) in self.kept or id(tensor) in self.fixed:
            return False
        return all(
            kinds.kind_of(call) == kinds.JOINED
            and self._root(id(call.outputs[0])) == self._root(id(tensor))
            for call in readers
        )

    def _is_joined_again(self, tensor: Any) -> bool:
        waiting, seen = [tensor], set()
        while waiting:
            for call in self.readers.get(id(waiting.pop()), []):
                kind = kinds.kind_of(call)
                if kind == kinds.JOINED:
                    return True
                if kind in (kinds.SAME, kinds.ROUNDED) and id(call) not in seen:
                    seen.add(id(call))
                    waiting += call.outputs
        return False
