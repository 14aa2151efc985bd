"""EinsumDense: a kernel whose axes have names."""

import math
from typing import Any

import keras
import numpy as np

from keras_diffmask import einsum
from keras_diffmask.graph import activations
from keras_diffmask.graph.axes import channel_axis, settle, spread
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights


@register(keras.layers.EinsumDense)
class EinsumDenseRule(Rule):
    """Units lie along the last axis that the equation adds.

    Channels that arrive on a label that is summed over are read; those on a
    label that the kernel lacks, or on one in all three terms, are a barrier.
    """

    reads = True

    def _axes(self, step: Step) -> einsum.EinsumAxes:
        if "axes" not in step.memo:
            rank = len(step.call.inputs[0].shape)
            step.memo["axes"] = einsum.parse(step.layer.equation, rank)
        return step.memo["axes"]

    def _read_axis(self, step: Step) -> int:
        """The kernel's axis along which input channels lie, -1 where none is."""
        along = channel_axis(step.inputs[0]) + 1
        return dict(self._axes(step).contracted).get(along, -1)

    def _barrier(self, step: Step) -> str | None:
        layer = step.layer
        if weights.is_quantized(layer):
            return f"{step.name} is quantized"
        if self._read_axis(step) < 0:
            return f"{step.name} does not sum over the axis that holds channels"
        if not self._axes(step).written:
            return f"{step.name} writes no axis of its own"
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self._barrier(step)
        if reason:
            return step.bar(reason)
        axis, kernel_axis = self._axes(step).written[-1]
        units = step.units.new(step.layer.kernel.shape[kernel_axis])
        if not activations.is_elementwise(step.layer.activation):
            step.units.pin(units, f"the activation of {step.name} mixes its channels")
        rank = len(step.call.outputs[0].shape) - 1
        return [settle(step.units, spread(units, rank, axis - 1))]

    def _matrix(self, step: Step) -> np.ndarray:
        """Bool `(in, out)`: whether an output unit depends on an input channel."""
        if "matrix" not in step.memo:
            pair = (self._read_axis(step), self._axes(step).written[-1][1])
            kernel = np.moveaxis(weights.array(step.layer.kernel), pair, (0, 1))
            flat = kernel.reshape((*kernel.shape[:2], -1))
            step.memo["matrix"] = np.any(flat != 0, axis=2)
        return step.memo["matrix"]

    def _bias_axis(self, step: Step) -> int | None:
        """The bias's axis along which units lie, or None."""
        layer = step.layer
        if layer.bias_axes is None:
            return None
        axis, kernel_axis = self._axes(step).written[-1]
        rank = len(step.call.outputs[0].shape)
        place = len(layer.bias.shape) - (rank - axis)
        size = layer.kernel.shape[kernel_axis]
        fits = place >= 0 and layer.bias.shape[place] == size
        return place if fits and self._labels_bias(step) else None

    def _labels_bias(self, step: Step) -> bool:
        output = step.layer.equation.split("->")[1].replace(".", "")
        axis = self._axes(step).written[-1][0]
        from_right = len(step.call.outputs[0].shape) - axis
        if step.layer.equation.endswith("..."):
            return False
        return output[-from_right] in step.layer.bias_axes

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        result = np.full(step.outputs[0].shape, np.nan)
        layer = step.layer
        if self._barrier(step) or not activations.is_elementwise(layer.activation):
            return [result]
        # Of constants other than 0 it says nothing: they may differ by place.
        varies = np.any(self._matrix(step)[inputs[0].reshape(-1) != 0], axis=0)
        values = np.where(varies, np.nan, self._bias(step))
        fixed = activations.apply(layer.activation, values)
        return [fixed.reshape(result.shape)]

    def _bias(self, step: Step) -> np.ndarray:
        """The bias of each unit, NaN where it differs along another axis."""
        layer, size = step.layer, step.outputs[0].size
        if layer.bias_axes is None:
            return np.zeros(size)
        bias = weights.array(layer.bias).astype(np.float64)
        axis = self._bias_axis(step)
        flat = (
            np.broadcast_to(bias.reshape(1, -1), (size, bias.size))
            if axis is None
            else np.moveaxis(bias, axis, 0).reshape(size, -1)
        )
        same = np.all(flat == flat[:, :1], axis=1)
        return np.where(same, flat[:, 0], np.nan)

    def settles(self, step: Step, zero: bool) -> bool:
        return False

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        if self._barrier(step):
            return super().needed(step, index, kept)
        columns = kept[step.units.root(step.outputs[0].reshape(-1))]
        used = np.any(self._matrix(step)[:, columns], axis=1)
        return used.reshape(step.inputs[0].shape)

    def macs(self, step: Step) -> list[Term]:
        axes = self._axes(step)
        shape = step.call.inputs[0].shape
        around = math.prod(shape[axis] or 1 for axis, _ in axes.passed if axis)
        return [
            Term(around * term.factor, term.rows, term.columns)
            for term in self._products(step)
        ]

    def _products(self, step: Step) -> list[Term]:
        shape = step.layer.kernel.shape
        if self._barrier(step):
            return [Term(float(math.prod(shape)))]
        own = (self._read_axis(step), self._axes(step).written[-1][1])
        rest = math.prod(n for axis, n in enumerate(shape) if axis not in own)
        rows, columns = step.inputs[0].reshape(-1), step.outputs[0].reshape(-1)
        return [Term(rest, rows, columns)]

    def parameters(self, step: Step) -> list[Term]:
        if self._barrier(step):
            return super().parameters(step)
        terms = self._products(step)
        if step.layer.bias_axes is None:
            return terms
        size, axis = math.prod(step.layer.bias.shape), self._bias_axis(step)
        if axis is None:
            return [*terms, Term(float(size))]
        ids = step.outputs[0].reshape(-1)
        return [*terms, Term(size // ids.size, None, ids)]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self._barrier(step):
            return {}, {}
        axis, kernel_axis = self._axes(step).written[-1]
        rows, columns = cut.along(step.inputs[0]), cut.along(step.outputs[0])
        kernel = weights.array(step.layer.kernel)
        kernel = np.compress(rows, kernel, axis=self._read_axis(step))
        left = {"kernel": np.compress(columns, kernel, axis=kernel_axis)}
        if step.layer.bias_axes is not None:
            bias, place = weights.array(step.layer.bias), self._bias_axis(step)
            left["bias"] = (
                bias if place is None else np.compress(columns, bias, axis=place)
            )
        shape = list(step.layer.get_config()["output_shape"])
        # Without the batch, and maybe with None for axes of unknown size.
        shape[axis - 1 - (len(step.call.outputs[0].shape) - 1 - len(shape))] = int(
            columns.sum()
        )
        return {"output_shape": shape}, left

    def leak_free(self, step: Step) -> bool:
        return False
