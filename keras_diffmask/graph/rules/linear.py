"""Dense: a kernel that reads one set of units and writes another."""

import math
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import activations
from keras_diffmask.graph.axes import on_last_axis
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights


class KernelRule(Rule):
    """A layer y = activation(op(x, kernel) + bias), `kernel[..., in, out]`.

    A subclass with another layout says so in `matrix` and `effective`.
    """

    reads = True
    size_argument = "filters"

    def barrier(self, step: Step) -> str | None:
        """Why neither side of this layer can be cut, or None."""
        if not on_last_axis(step.inputs[0]):
            return f"{step.name} reads an axis along which channels are mixed"
        if getattr(step.layer, "data_format", None) == "channels_first":
            return f"{step.name} has its channels first"
        if weights.is_quantized(step.layer):
            return f"{step.name} is quantized"
        return None

    def positions(self, step: Step) -> int:
        """How often the kernel is applied for one example."""
        return positions_of(step, step.call.outputs[0])

    def matrix(self, step: Step) -> np.ndarray:
        """Bool `(in, out)`: whether an output channel depends on an input channel."""
        return weights.nonzero(step.layer.kernel)

    def effective(self, step: Step, rows: np.ndarray) -> np.ndarray:
        """The kernel's rows summed over its taps, float64 `(len(rows), out)`."""
        return weights.summed_rows(step.layer.kernel, rows)

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self.barrier(step)
        if reason:
            return step.bar(reason)
        if not activations.is_elementwise(step.layer.activation):
            reason = f"the activation of {step.name} mixes its channels"
        return [step.fresh(step.call.outputs[0], reason)]

    def _matrix(self, step: Step) -> np.ndarray:
        if "matrix" not in step.memo:
            step.memo["matrix"] = self.matrix(step)
        return step.memo["matrix"]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        result = np.full(step.outputs[0].shape, np.nan)
        layer = step.layer
        if self.barrier(step) or not activations.is_elementwise(layer.activation):
            return [result]
        values = inputs[0].reshape(-1)
        # A constant other than 0 meets zero padding at the border.
        moves = np.isnan(values) | ((values != 0) & (not self.foldable(step, 0)))
        varies = np.any(self._matrix(step)[moves], axis=0)
        total = self.folded_bias(step, np.where(moves, 0.0, values))
        fixed = activations.apply(layer.activation, np.where(varies, np.nan, total))
        return [fixed.reshape(result.shape)]

    def folded_bias(self, step: Step, values: np.ndarray) -> np.ndarray:
        """bias + values @ kernel, summed over the kernel's taps."""
        bias = weights.bias(step.layer, step.outputs[0].size)
        rows = np.flatnonzero(values)
        return bias + values[rows] @ self.effective(step, rows) if len(rows) else bias

    def settles(self, step: Step, zero: bool) -> bool:
        mixes = not activations.is_elementwise(step.layer.activation)
        return not (self.barrier(step) or mixes) and (zero or self.foldable(step, 0))

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        if self.barrier(step):
            return super().needed(step, index, kept)
        columns = kept[step.units.root(step.outputs[0].reshape(-1))]
        used = np.any(self._matrix(step)[:, columns], axis=1)
        return used.reshape(step.inputs[0].shape)

    def macs(self, step: Step) -> list[Term]:
        if self.barrier(step):
            size = float(self.positions(step) * math.prod(step.layer.kernel.shape))
            return [Term(size)]
        factor = self.positions(step) * weights.taps(step.layer.kernel)
        return [Term(factor, step.inputs[0].reshape(-1), step.outputs[0].reshape(-1))]

    def parameters(self, step: Step) -> list[Term]:
        if self.barrier(step):
            return super().parameters(step)
        rows, columns = step.inputs[0].reshape(-1), step.outputs[0].reshape(-1)
        terms = [Term(weights.taps(step.layer.kernel), rows, columns)]
        return terms + ([Term(1, None, columns)] if step.layer.use_bias else [])

    def kernels(
        self, step: Step, rows: np.ndarray, columns: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The kernel, or kernels, of what stays."""
        kernel = keras.ops.convert_to_numpy(step.layer.kernel)
        return {"kernel": kernel[..., rows, :][..., columns]}

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self.barrier(step):
            return {}, {}
        rows, columns = cut.along(step.inputs[0]), cut.along(step.outputs[0])
        left: dict[str, np.ndarray] = self.kernels(step, rows, columns)
        config: dict[str, Any] = {self.size_argument: int(columns.sum())}
        values = np.where(rows, 0.0, cut.constants[0].reshape(-1))
        values = np.nan_to_num(values)
        if step.layer.use_bias or np.any(values != 0):
            left["bias"] = self.folded_bias(step, values)[columns]
            config["use_bias"] = True
        return config, left

    def leak_free(self, step: Step) -> bool:
        return False


def positions_of(step: Step, tensor: Any) -> int:
    """How many places with channels a layer has in its input or output."""
    first = getattr(step.layer, "data_format", None) == "channels_first"
    sizes = tensor.shape[2:] if first else tensor.shape[1:-1]
    return math.prod(size for size in sizes if size)


@register(keras.layers.Dense)
class DenseRule(KernelRule):
    size_argument = "units"

    def foldable(self, step: Step, index: int) -> bool:
        return True
