"""LSTM: reads its input and itself, writes its hidden units."""

from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import activations
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, last_axis, register


@register(keras.layers.LSTM)
class LSTMRule(Rule):
    reads = True
    gathers_input = True

    def _reason(self, step: Step) -> str | None:
        layer = step.layer
        if last_axis(step.inputs[0]) is None:
            return f"{step.name} reads an axis along which channels are mixed"
        if len(step.call.inputs) > 1:
            return f"{step.name} takes an initial state"
        if layer.stateful:
            return f"{step.name} is stateful: it may hold states other than 0"
        if not activations.is_elementwise(layer.activation):
            return f"the activation of {step.name} mixes its units"
        if not activations.is_elementwise(layer.recurrent_activation):
            return f"the recurrent activation of {step.name} mixes its units"
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        units = step.units.new(step.layer.units)
        reason = self._reason(step)
        if reason:
            step.units.pin(step.inputs[0], reason)
            step.units.pin(units, reason)
        return [step.spread(tensor.shape, units) for tensor in step.call.outputs]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        result = super().constants(step, inputs)
        if self._reason(step) or not activations.is_zero_at_zero(step.layer.activation):
            return result
        closed = self._closed(step, inputs[0].reshape(-1))
        return [np.where(closed, 0.0, np.nan).reshape(r.shape) for r in result]

    def _closed(self, step: Step, values: np.ndarray) -> np.ndarray:
        # With candidate g = tanh(0) = 0 the cell state stays at its initial 0,
        # and h = o * tanh(0) = 0, whatever the other three gates do.
        kernel, recurrent, bias = _candidate(step.layer)
        silent = (values != 0) & np.any(kernel != 0, axis=1)
        closed = ~np.any(kernel[silent] != 0, axis=0) & (bias == 0)
        while True:
            # A unit may read units that are themselves closed.
            still = closed & ~np.any(recurrent[~closed] != 0, axis=0)
            if np.array_equal(still, closed):
                return closed
            closed = still

    def settles(self, step: Step, zero: bool) -> bool:
        # Its bias moves the hidden state from step to step.
        return False

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        if self._reason(step):
            return super().needed(step, index, kept)
        stays = kept[step.units.root(step.outputs[0].reshape(-1))]
        kernel = keras.ops.convert_to_numpy(step.layer.cell.kernel)
        used = np.any(kernel[:, np.tile(stays, 4)] != 0, axis=1)
        return used.reshape(step.inputs[0].shape)

    def recurs(self, step: Step, kept: np.ndarray) -> np.ndarray:
        stays = kept[step.units.root(step.outputs[0].reshape(-1))]
        recurrent = keras.ops.convert_to_numpy(step.layer.cell.recurrent_kernel)
        gates = recurrent.reshape((len(stays), 4, len(stays)))
        read = np.any(gates != 0, axis=1) & stays
        # What a unit remembers for itself alone goes with it.
        np.fill_diagonal(read, False)
        return np.any(read, axis=1).reshape(step.outputs[0].shape)

    def foldable(self, step: Step, index: int) -> bool:
        return True

    def macs(self, step: Step) -> list[Term]:
        steps = step.call.inputs[0].shape[1] or 1
        rows, units = step.inputs[0].reshape(-1), step.outputs[0].reshape(-1)
        return [
            Term(4 * steps, rows, units, takes_input=True),
            Term(4 * steps, units, units),
        ]

    def parameters(self, step: Step) -> list[Term]:
        rows, units = step.inputs[0].reshape(-1), step.outputs[0].reshape(-1)
        terms = [Term(4, rows, units, takes_input=True), Term(4, units, units)]
        return terms + ([Term(4, None, units)] if step.layer.use_bias else [])

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], dict[str, Any]]:
        if self._reason(step):
            return {}, {}
        rows, stays = cut.rows, cut.along(step.outputs[0])
        columns = np.tile(stays, 4)
        cell = step.layer.cell
        kernel = keras.ops.convert_to_numpy(cell.kernel)
        recurrent = keras.ops.convert_to_numpy(cell.recurrent_kernel)
        weights = {
            "kernel": kernel[rows][:, columns],
            "recurrent_kernel": recurrent[stays][:, columns],
        }
        config: dict[str, Any] = {"units": int(stays.sum())}
        values = np.nan_to_num(np.where(rows, 0.0, cut.constants[0].reshape(-1)))
        bias = values @ kernel.astype(np.float64)
        if step.layer.use_bias:
            bias = bias + keras.ops.convert_to_numpy(cell.bias)
        if step.layer.use_bias or np.any(bias != 0):
            weights["bias"] = bias[columns]
            config["use_bias"] = True
        return config, weights

    def leak_free(self, step: Step) -> bool:
        return False


def _candidate(layer: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kernel, recurrent kernel and bias of the candidate gate alone."""
    units = slice(2 * layer.units, 3 * layer.units)
    cell = layer.cell
    kernel = keras.ops.convert_to_numpy(cell.kernel)[:, units]
    recurrent = keras.ops.convert_to_numpy(cell.recurrent_kernel)[:, units]
    if not layer.use_bias:
        return kernel, recurrent, np.zeros(layer.units)
    return kernel, recurrent, keras.ops.convert_to_numpy(cell.bias)[units]
