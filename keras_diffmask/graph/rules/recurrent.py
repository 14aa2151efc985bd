"""Recurrent layers: read their input and themselves, write their hidden units."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import activations
from keras_diffmask.graph.axes import on_last_axis, spread
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.graph.rules.initial_state import change_constants, constant_states
from keras_diffmask.graph.rules.whole import macs_of_cells


class Cell:
    """What a rule has to know of a layer's cell: its gates, and which one proposes.

    A unit is closed when its candidate is 0 at every step: the state starts
    at 0 and then stays there, whatever the other gates do.
    """

    #: Cell class -> (number of gates, which one is the candidate).
    KINDS = {
        keras.layers.LSTMCell: (4, 2),
        keras.layers.GRUCell: (3, 2),
        keras.layers.SimpleRNNCell: (1, 0),
    }

    def __init__(self, layer: Any) -> None:
        self.cell = layer.cell
        kinds = [self.KINDS[kind] for kind in self.KINDS if type(self.cell) is kind]
        self.is_known = bool(kinds)
        self.gates, self.candidate = kinds[0] if kinds else (1, 0)

    @property
    def units(self) -> int:
        return self.cell.units

    @property
    def kernel(self) -> np.ndarray:
        return weights.array(self.cell.kernel)

    @property
    def recurrent(self) -> np.ndarray:
        return weights.array(self.cell.recurrent_kernel)

    def biases(self) -> np.ndarray:
        """float64 `(1 or 2, gates * units)`: two where a GRU resets after."""
        if not self.cell.use_bias:
            return np.zeros((1, self.gates * self.units))
        bias = weights.array(self.cell.bias).astype(np.float64)
        return bias.reshape(-1, self.gates * self.units)

    def closed(self, values: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Which units stay at 0.

        Args:
            values: constants on the input, NaN where it varies.
            free: bool per unit, True where its initial state is not 0.
        """
        own = slice(self.candidate * self.units, (self.candidate + 1) * self.units)
        heard = (values != 0) | np.isnan(values)
        recurrent = self.recurrent[:, own] != 0
        closed = ~np.any(self.kernel[heard][:, own] != 0, axis=0) & ~free
        closed &= ~np.any(self.biases()[:, own] != 0, axis=0)
        while True:
            # A unit may read units that are themselves closed.
            still = closed & ~np.any(recurrent[~closed], axis=0)
            if np.array_equal(still, closed):
                return closed
            closed = still

    def used(self, stays: np.ndarray) -> np.ndarray:
        """Which input channels these units depend on."""
        return np.any(self.kernel[:, np.tile(stays, self.gates)] != 0, axis=1)

    def read(self, stays: np.ndarray) -> np.ndarray:
        """Which units these units depend on, at the step before."""
        gates = self.recurrent.reshape((self.units, self.gates, self.units))
        read = np.any(gates != 0, axis=1) & stays
        # What a unit remembers for itself alone goes with it.
        np.fill_diagonal(read, False)
        return np.any(read, axis=1)

    def biases_per_unit(self) -> int:
        """How many biases a unit has."""
        return self.gates * len(self.biases()) * bool(self.cell.use_bias)


@register(
    keras.layers.LSTM,
    keras.layers.GRU,
    keras.layers.SimpleRNN,
    keras.layers.RNN,
)
class RecurrentRule(Rule):
    """LSTM, GRU, SimpleRNN, and RNN over one of their cells."""

    reads = True
    acts_inside = True

    def reason(self, step: Step) -> str | None:
        """Why neither side can be cut, or None."""
        layer = step.layer
        if not Cell(layer).is_known:
            kind = type(layer.cell).__name__
            return f"{step.name} runs a cell of class {kind}, which has no rule"
        if not on_last_axis(step.inputs[0]):
            return f"{step.name} reads an axis along which channels are mixed"
        for name in ("activation", "recurrent_activation"):
            if not activations.is_elementwise(getattr(layer.cell, name, None)):
                return f"the {name} of {step.name} mixes its units"
        if not activations.is_zero_at_zero(layer.cell.activation):
            return f"the activation of {step.name} is not 0 at 0"
        units = layer.cell.units
        constants = constant_states(step.call)
        fit = all(ids.size == units for ids in step.inputs[1:])
        if not fit or any(state.shape[-1:] != (units,) for state in constants):
            return f"{step.name} takes more than its initial state"
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self.reason(step)
        if reason:
            return step.bar(reason)
        units = step.units.new(step.layer.cell.units)
        for ids in step.inputs[1:]:
            step.units.tie(units, ids.reshape(-1))
        return [spread(units, len(t.shape) - 1) for t in step.call.outputs]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self.reason(step):
            return super().constants(step, inputs)
        cell = Cell(step.layer)
        free = np.zeros(cell.units, bool)
        for state in inputs[1:]:
            free |= state.reshape(-1) != 0
        for state in constant_states(step.call):
            free |= np.any(state.reshape(-1, cell.units) != 0, axis=0)
        closed = cell.closed(inputs[0].reshape(-1), free)
        values = np.where(closed, 0.0, np.nan)
        return [values.reshape(ids.shape) for ids in step.outputs]

    def settles(self, step: Step, zero: bool) -> bool:
        # Its bias moves the hidden state from step to step.
        return False

    def _stays(self, step: Step, kept: np.ndarray) -> np.ndarray:
        return kept[step.units.root(step.outputs[0].reshape(-1))]

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        if self.reason(step):
            return super().needed(step, index, kept)
        stays = self._stays(step, kept)
        if index:
            return stays.reshape(step.inputs[index].shape)
        return Cell(step.layer).used(stays).reshape(step.inputs[0].shape)

    def recurs(self, step: Step, kept: np.ndarray) -> np.ndarray:
        if self.reason(step):
            return super().recurs(step, kept)
        read = Cell(step.layer).read(self._stays(step, kept))
        return read.reshape(step.outputs[0].shape)

    def foldable(self, step: Step, index: int) -> bool:
        return index == 0

    def macs(self, step: Step) -> list[Term]:
        steps = step.call.inputs[0].shape[1] or 1
        if self.reason(step):
            return [Term(steps * (macs_of_cells(step.layer) or 0.0))]
        return [
            Term(steps * term.factor, term.rows, term.columns, term.takes_input)
            for term in self._products(step)
        ]

    def counts_macs(self, step: Step) -> bool:
        return macs_of_cells(step.layer) is not None

    def _products(self, step: Step) -> list[Term]:
        rows, units = step.inputs[0].reshape(-1), step.outputs[0].reshape(-1)
        gates = Cell(step.layer).gates
        return [Term(gates, rows, units, takes_input=True), Term(gates, units, units)]

    def parameters(self, step: Step) -> list[Term]:
        if self.reason(step):
            return super().parameters(step)
        biases = Cell(step.layer).biases_per_unit()
        return self._products(step) + [Term(biases, None, step.outputs[0].reshape(-1))]

    def takes(self, step: Step, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
        if self.reason(step):
            return rows
        return rows & self.needed(step, 0, kept).reshape(-1)

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self.reason(step):
            return {}, {}
        stays = cut.along(step.outputs[0])
        left = shrunk_cell(step.layer, cut.rows, stays, cut.constants[0].reshape(-1))
        return cell_changes(step.layer, stays, left), left

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        stays = cut.along(step.inputs[0])
        if not np.array_equal(cut.rows, stays):
            # The channels themselves must stay, for another reader or because
            # they are the model's input: this layer picks out those it reads.
            places = np.flatnonzero(cut.rows[stays]).tolist()
            args = (keras.ops.take(args[0], places, axis=-1), *args[1:])
        if not self.reason(step):
            units = np.flatnonzero(cut.along(step.outputs[0])).tolist()
            args, kwargs = change_constants(
                args, kwargs, lambda state: keras.ops.take(state, units, axis=-1)
            )
        return call(*args, **kwargs)

    def leak_free(self, step: Step) -> bool:
        return False


def shrunk_cell(
    layer: Any, rows: np.ndarray, stays: np.ndarray, constants: np.ndarray
) -> dict[str, np.ndarray]:
    """The weights that are left of a recurrent layer.

    Args:
        layer: the layer.
        rows: bool per input channel, True where it is still read.
        stays: bool per unit.
        constants: of the input, NaN where it varies.
    """
    cell = Cell(layer)
    columns = np.tile(stays, cell.gates)
    left = {
        "kernel": cell.kernel[rows][:, columns],
        "recurrent_kernel": cell.recurrent[stays][:, columns],
    }
    values = np.nan_to_num(np.where(rows, 0.0, constants))
    bias = cell.biases()
    silent = np.flatnonzero(values)
    if len(silent):
        bias = bias.copy()
        bias[0] += values[silent] @ cell.kernel[silent].astype(np.float64)
    if layer.cell.use_bias or np.any(bias != 0):
        if getattr(layer.cell, "reset_after", False) and len(bias) == 1:
            bias = np.concatenate([bias, np.zeros_like(bias)])
        bias = bias[:, columns]
        left["bias"] = bias if len(bias) > 1 else bias[0]
    return left


def cell_changes(
    layer: Any, stays: np.ndarray, left: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Changes to the configuration of a recurrent layer that keeps these units."""
    changes: dict[str, Any] = {"units": int(stays.sum()), "use_bias": "bias" in left}
    if type(layer) is keras.layers.RNN:
        return {"cell": weights.changed(layer.get_config()["cell"], changes)}
    return changes
