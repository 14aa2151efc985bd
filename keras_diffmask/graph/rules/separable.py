"""Depthwise and separable convolutions: one kernel per input channel."""

import math
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import activations
from keras_diffmask.graph.axes import on_last_axis, spread
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.graph.rules.linear import KernelRule, positions_of


@register(keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
class SeparableRule(KernelRule):
    """A depthwise kernel, and a pointwise one that mixes what it gives."""

    def foldable(self, step: Step, index: int) -> bool:
        return step.layer.padding == "valid" or set(step.layer.kernel_size) == {1}

    def _kernels(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """Depthwise `(taps, in, m)` and pointwise `(in, m, out)`."""
        layer = step.layer
        depthwise = keras.ops.convert_to_numpy(layer.depthwise_kernel)
        depthwise = depthwise.reshape((-1, *depthwise.shape[-2:]))
        pointwise = keras.ops.convert_to_numpy(layer.pointwise_kernel)
        return depthwise, pointwise.reshape((*depthwise.shape[1:], -1))

    def matrix(self, step: Step) -> np.ndarray:
        depthwise, pointwise = self._kernels(step)
        reaches = np.any(depthwise != 0, axis=0)
        return np.any((pointwise != 0) & reaches[..., None], axis=1)

    def effective(self, step: Step, rows: np.ndarray) -> np.ndarray:
        depthwise, pointwise = self._kernels(step)
        summed = depthwise[:, rows].astype(np.float64).sum(axis=0)
        return np.einsum("im,imo->io", summed, pointwise[rows].astype(np.float64))

    def macs(self, step: Step) -> list[Term]:
        return [
            Term(self.positions(step) * term.factor, term.rows, term.columns)
            for term in self._products(step)
        ]

    def parameters(self, step: Step) -> list[Term]:
        if self.barrier(step):
            return Rule.parameters(self, step)
        bias = [Term(1, None, step.outputs[0].reshape(-1))]
        return self._products(step) + (bias if step.layer.use_bias else [])

    def _products(self, step: Step) -> list[Term]:
        layer = step.layer
        if self.barrier(step):
            kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
            return [Term(float(math.prod(kernel.shape))) for kernel in kernels]
        rows, columns = step.inputs[0].reshape(-1), step.outputs[0].reshape(-1)
        each = math.prod(layer.kernel_size) * layer.depth_multiplier
        return [Term(each, rows), Term(layer.depth_multiplier, rows, columns)]

    def kernels(
        self, step: Step, rows: np.ndarray, columns: np.ndarray
    ) -> dict[str, np.ndarray]:
        layer = step.layer
        depthwise = keras.ops.convert_to_numpy(layer.depthwise_kernel)
        pointwise = keras.ops.convert_to_numpy(layer.pointwise_kernel)
        inner = np.repeat(rows, layer.depth_multiplier)
        return {
            "depthwise_kernel": depthwise[..., rows, :],
            "pointwise_kernel": pointwise[..., inner, :][..., columns],
        }


@register(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
class DepthwiseRule(Rule):
    """One kernel per input channel, with which `depth_multiplier` channels go."""

    def barrier(self, step: Step) -> str | None:
        if not on_last_axis(step.inputs[0]):
            return f"{step.name} reads an axis along which channels are mixed"
        if step.layer.data_format == "channels_first":
            return f"{step.name} has its channels first"
        if not activations.is_elementwise(step.layer.activation):
            return f"the activation of {step.name} mixes its channels"
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self.barrier(step)
        if reason:
            return step.bar(reason)
        ids = np.repeat(step.inputs[0].reshape(-1), step.layer.depth_multiplier)
        return [spread(ids, len(step.call.outputs[0].shape) - 1)]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self.barrier(step):
            return super().constants(step, inputs)
        layer = step.layer
        kernel = keras.ops.convert_to_numpy(layer.kernel).astype(np.float64)
        kernel = kernel.reshape((-1, kernel.shape[-2] * kernel.shape[-1]))
        values = np.repeat(inputs[0].reshape(-1), layer.depth_multiplier)
        if layer.padding != "valid" and set(layer.kernel_size) != {1}:
            values = np.where(values == 0, 0.0, np.nan)
        values = np.where(np.any(kernel != 0, axis=0), values, 0.0)
        total = values * kernel.sum(axis=0) + weights.bias(layer, values.size)
        fixed = activations.apply(layer.activation, total)
        return [fixed.reshape(step.outputs[0].shape)]

    def settles(self, step: Step, zero: bool) -> bool:
        return zero and not self.barrier(step)

    def _taps(self, step: Step) -> int:
        return math.prod(step.layer.kernel_size)

    def macs(self, step: Step) -> list[Term]:
        ids = step.outputs[0].reshape(-1)
        positions = positions_of(step, step.call.outputs[0])
        if self.barrier(step):
            return [Term(float(positions * math.prod(step.layer.kernel.shape)))]
        return [Term(positions * self._taps(step), None, ids)]

    def parameters(self, step: Step) -> list[Term]:
        if self.barrier(step):
            return super().parameters(step)
        each = self._taps(step) + bool(step.layer.use_bias)
        return [Term(each, None, step.outputs[0].reshape(-1))]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self.barrier(step):
            return {}, {}
        kernel = keras.ops.convert_to_numpy(step.layer.kernel)
        left = {"kernel": kernel[..., cut.along(step.inputs[0]), :]}
        if step.layer.use_bias:
            bias = keras.ops.convert_to_numpy(step.layer.bias)
            left["bias"] = bias[cut.along(step.outputs[0])]
        return {}, left

    def leak_free(self, step: Step) -> bool:
        layer = step.layer
        return not layer.use_bias and activations.is_zero_at_zero(layer.activation)
