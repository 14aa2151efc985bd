"""`ops.mean`, `ops.sum`, `ops.max` and `ops.min` over positions."""

from typing import Any

import numpy as np

from keras_diffmask.graph.axes import channel_axis
from keras_diffmask.graph.rule import Rule, Step, register
from keras_diffmask.keras_internals import operation_classes


class _ReduceRule(Rule):
    def _axes(self, step: Step) -> tuple[int, ...] | None:
        """The axes that go, counted without the batch; None where channels mix."""
        rank = len(step.call.inputs[0].shape)
        axes = step.layer.axis
        if axes is None:
            return None
        axes = tuple(axis % rank - 1 for axis in np.atleast_1d(axes).tolist())
        return None if {-1, channel_axis(step.inputs[0])} & set(axes) else axes

    def _left(self, step: Step, array: np.ndarray) -> np.ndarray:
        axes = self._axes(step)
        return array if step.layer.keepdims else np.squeeze(array, axis=axes)

    def trace(self, step: Step) -> list[np.ndarray]:
        if self._axes(step) is None:
            return step.bar(f"{step.name} reduces an axis that holds channels")
        return [self._left(step, step.inputs[0])]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self._axes(step) is None:
            return super().constants(step, inputs)
        return [self.reduced(step, self._left(step, inputs[0]))]

    def reduced(self, step: Step, values: np.ndarray) -> np.ndarray:
        """What a constant map is reduced to."""
        return values


@register(*operation_classes("Mean", "Amax", "Amin"))
class MeanRule(_ReduceRule):
    """The mean or the extreme of a constant map is the constant."""


class _ExtremeRule(_ReduceRule):
    """That of a constant map is the constant, unless `initial` goes beyond it."""

    function: Any

    def reduced(self, step: Step, values: np.ndarray) -> np.ndarray:
        initial = getattr(step.layer, "initial", None)
        return values if initial is None else type(self).function(values, initial)

    def leak_free(self, step: Step) -> bool:
        return bool(self.reduced(step, np.zeros(1))[0] == 0)


@register(*operation_classes("Max"))
class MaxRule(_ExtremeRule):
    function = np.maximum


@register(*operation_classes("Min"))
class MinRule(_ExtremeRule):
    function = np.minimum


@register(*operation_classes("Sum"))
class SumRule(_ReduceRule):
    def reduced(self, step: Step, values: np.ndarray) -> np.ndarray:
        return np.where(values == 0, 0.0, np.nan)

    def settles(self, step: Step, zero: bool) -> bool:
        return self._axes(step) is not None


@register(*operation_classes("Any"))
class AnyRule(Rule):
    """Of the channels that are always False nothing depends, as in `Masking`."""

    reads = True

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = f"{step.name} writes one value for all channels"
        return [step.fresh(step.call.outputs[0], reason)]
