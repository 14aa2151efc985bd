"""Dense and Conv2D: a kernel that reads one set of units and writes another."""

import math
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import activations
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, last_axis, register


class KernelRule(Rule):
    """A layer y = activation(op(x, kernel) + bias), `kernel[..., in, out]`."""

    reads = True
    size_argument: str

    def barrier(self, step: Step) -> str | None:
        """Why neither side of this layer can be cut, or None."""
        if last_axis(step.inputs[0]) is None:
            return f"{step.name} reads an axis along which channels are mixed"
        return None

    def positions(self, step: Step) -> int:
        """How often the kernel is applied for one example."""
        return math.prod(d for d in step.call.outputs[0].shape[1:-1] if d)

    def trace(self, step: Step) -> list[np.ndarray]:
        out = step.units.new(getattr(step.layer, self.size_argument))
        reason = self.barrier(step)
        if reason:
            step.units.pin(step.inputs[0], reason)
            step.units.pin(out, reason)
        elif not activations.is_elementwise(step.layer.activation):
            step.units.pin(out, f"the activation of {step.name} mixes its channels")
        return [step.spread(step.call.outputs[0].shape, out)]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        result = np.full(step.outputs[0].shape, np.nan)
        layer = step.layer
        if self.barrier(step) or not activations.is_elementwise(layer.activation):
            return [result]
        values = inputs[0].reshape(-1)
        kernel = _flat_kernel(layer)
        # A constant other than 0 meets zero padding at the border.
        moves = np.isnan(values) | ((values != 0) & (not self.foldable(step, 0)))
        varies = np.any(kernel[:, moves] != 0, axis=(0, 1))
        total = folded_bias(layer, np.where(moves, 0.0, values))
        fixed = activations.apply(layer.activation, np.where(varies, np.nan, total))
        return [fixed.reshape(result.shape)]

    def settles(self, step: Step, zero: bool) -> bool:
        mixes = not activations.is_elementwise(step.layer.activation)
        return not (self.barrier(step) or mixes) and (zero or self.foldable(step, 0))

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        if self.barrier(step):
            return super().needed(step, index, kept)
        columns = kept[step.units.root(step.outputs[0].reshape(-1))]
        used = np.any(_flat_kernel(step.layer)[:, :, columns] != 0, axis=(0, 2))
        return used.reshape(step.inputs[0].shape)

    def macs(self, step: Step) -> list[Term]:
        factor = self.positions(step) * _taps(step.layer)
        return [Term(factor, step.inputs[0].reshape(-1), step.outputs[0].reshape(-1))]

    def parameters(self, step: Step) -> list[Term]:
        rows, columns = step.inputs[0].reshape(-1), step.outputs[0].reshape(-1)
        terms = [Term(_taps(step.layer), rows, columns)]
        return terms + ([Term(1, None, columns)] if step.layer.use_bias else [])

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], dict[str, Any]]:
        layer = step.layer
        if self.barrier(step):
            return {}, {}
        rows, columns = cut.along(step.inputs[0]), cut.along(step.outputs[0])
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        weights = {"kernel": kernel[..., rows, :][..., columns]}
        config: dict[str, Any] = {self.size_argument: int(columns.sum())}
        values = np.where(rows, 0.0, cut.constants[0].reshape(-1))
        values = np.nan_to_num(values)
        folds = bool(np.any(values != 0))
        if layer.use_bias or folds:
            bias = folded_bias(layer, values) if folds else _bias(layer)
            weights["bias"] = bias[columns]
            config["use_bias"] = True
        return config, weights

    def leak_free(self, step: Step) -> bool:
        return False


@register(keras.layers.Dense)
class DenseRule(KernelRule):
    size_argument = "units"

    def foldable(self, step: Step, index: int) -> bool:
        return True


@register(keras.layers.Conv2D)
class Conv2DRule(KernelRule):
    size_argument = "filters"

    def barrier(self, step: Step) -> str | None:
        layer = step.layer
        if layer.groups != 1:
            return f"{step.name} is a grouped convolution"
        if layer.data_format != "channels_last":
            return f"{step.name} has its channels first"
        return super().barrier(step)

    def foldable(self, step: Step, index: int) -> bool:
        # With zero padding the constant is missing at the border.
        return step.layer.padding == "valid" or set(step.layer.kernel_size) == {1}

    def macs(self, step: Step) -> list[Term]:
        if step.layer.groups != 1:
            kernel_size = math.prod(step.layer.kernel.shape)
            return [Term(float(self.positions(step) * kernel_size), None, None)]
        return super().macs(step)

    def parameters(self, step: Step) -> list[Term]:
        if step.layer.groups != 1:
            return Rule.parameters(self, step)
        return super().parameters(step)


def _flat_kernel(layer: Any) -> np.ndarray:
    """The kernel as float64 of shape (taps, in, out)."""
    kernel = keras.ops.convert_to_numpy(layer.kernel).astype(np.float64)
    return kernel.reshape((-1, *kernel.shape[-2:]))


def _taps(layer: Any) -> int:
    return math.prod(layer.kernel.shape[:-2])


def _bias(layer: Any) -> np.ndarray:
    if not layer.use_bias:
        return np.zeros(layer.kernel.shape[-1])
    return keras.ops.convert_to_numpy(layer.bias).astype(np.float64)


def folded_bias(layer: Any, values: np.ndarray) -> np.ndarray:
    """bias + values @ kernel, summed over the kernel's taps."""
    return _bias(layer) + values @ _flat_kernel(layer).sum(axis=0)
