"""`x @ matrix` with a matrix that is no variable: a projection nobody trains."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import on_last_axis
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.keras_internals import operation_classes


@register(*operation_classes("Matmul"))
class MatmulRule(Rule):
    """A Dense layer whose kernel is an argument of the call.

    So is a softmax that was tied by `ops.matmul(x, ops.transpose(table))`: in a
    graph Keras keeps the value that the table had when the graph was made.
    """

    reads = True

    def _matrix(self, step: Step) -> Any:
        """The matrix `(in, out)`; None where the call has no such argument."""
        if "matrix" not in step.memo:
            arguments = step.call.arguments
            first, second = _factors(arguments.args, arguments.kwargs)
            matrix: Any = np.zeros(())
            if isinstance(first, keras.KerasTensor) and len(step.call.inputs) == 1:
                matrix = weights.array(second)
            step.memo["matrix"] = matrix if matrix.ndim == 2 else None
        return step.memo["matrix"]

    def _barrier(self, step: Step) -> str | None:
        if self._matrix(step) is None:
            return f"{step.name} is no product of a tensor with one constant matrix"
        if len(step.call.inputs[0].shape) < 2 or not on_last_axis(step.inputs[0]):
            return f"{step.name} reads an axis along which channels are mixed"
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self._barrier(step)
        return step.bar(reason) if reason else [step.fresh(step.call.outputs[0])]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self._barrier(step):
            return super().constants(step, inputs)
        values, matrix = inputs[0].reshape(-1), self._matrix(step)
        varies = np.any(matrix[np.isnan(values)] != 0, axis=0)
        total = np.nan_to_num(values) @ matrix.astype(np.float64)
        return [np.where(varies, np.nan, total).reshape(step.outputs[0].shape)]

    def settles(self, step: Step, zero: bool) -> bool:
        return not self._barrier(step)

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        if self._barrier(step):
            return super().needed(step, index, kept)
        columns = kept[step.units.root(step.outputs[0].reshape(-1))]
        used = np.any(self._matrix(step)[:, columns] != 0, axis=1)
        return used.reshape(step.inputs[index].shape)

    def foldable(self, step: Step, index: int) -> bool:
        return not self._barrier(step)

    def macs(self, step: Step) -> list[Term]:
        if self._barrier(step):
            # Each entry of the product is a sum over the axis that the two share.
            first = _factors(step.call.arguments.args, step.call.arguments.kwargs)[0]
            written = math.prod(d for d in step.call.outputs[0].shape[1:] if d)
            return [Term(float(written * (np.shape(first)[-1] or 1)))]
        positions = math.prod(d for d in step.call.outputs[0].shape[1:-1] if d)
        return [
            Term(positions, step.inputs[0].reshape(-1), step.outputs[0].reshape(-1))
        ]

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        if self._barrier(step):
            return call(*args, **kwargs)
        matrix = self._matrix(step)
        rows, columns = cut.along(step.inputs[0]), cut.along(step.outputs[0])
        left = keras.ops.convert_to_tensor(matrix[rows][:, columns])
        outputs = call(_factors(args, kwargs)[0], left)
        values = np.nan_to_num(np.where(rows, 0.0, cut.constants[0].reshape(-1)))
        if np.any(values):
            shift = values @ matrix[:, columns].astype(np.float64)
            outputs = outputs + shift.astype(matrix.dtype)
        return outputs

    def leak_free(self, step: Step) -> bool:
        return not self._barrier(step)


def _factors(args: tuple, kwargs: dict) -> list[Any]:
    return [*args, *(kwargs[name] for name in ("x1", "x2") if name in kwargs)]
