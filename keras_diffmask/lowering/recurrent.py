"""Recipes of recurrent layers: fused LSTMs, unrolled cells, both directions."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import Step, Term
from keras_diffmask.graph.axes import on_last_axis
from keras_diffmask.graph.rules.initial_state import constant_states, is_all_zero
from keras_diffmask.lowering.builder import FUSED, Builder
from keras_diffmask.lowering.program import Weight
from keras_diffmask.lowering.recipes import other
from keras_diffmask.lowering.unrolled import Unroll

_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)


@dataclass(frozen=True)
class Direction:
    """One recurrent layer, and where it stands.

    Attributes:
        build: what to write with.
        step: the call that it is, or that it is half of.
        layer: the layer.
        units: ids of its hidden units.
        scope: its name within the call, and a `/`; "" where it is all of it.
        flips: whether its outputs are turned round.
        states: which of its final states something reads.
    """

    build: Builder
    step: Step
    layer: Any
    units: np.ndarray
    scope: str = ""
    flips: bool = False
    states: tuple[bool, ...] = ()

    @property
    def is_fused(self) -> bool:
        """Whether it becomes TFLite's LSTM, which has no output for c."""
        cell = self.layer.cell
        return (
            isinstance(cell, keras.layers.LSTMCell)
            and cell.activation is keras.activations.tanh
            and cell.recurrent_activation is keras.activations.sigmoid
            and is_all_zero(self.step.call)
            and not any(self.states[1:])
        )

    @property
    def rows(self) -> np.ndarray | None:
        ids = self.step.inputs[0]
        return ids.reshape(-1) if on_last_axis(ids) else None

    def write(self) -> list[int]:
        """The layer's output, and its final states."""
        build, layer = self.build, self.layer
        source, *given = build.inputs(self.step)
        if self.is_fused:
            return self._fused(source)
        shape = self.step.call.inputs[0].shape
        unroll = Unroll(
            build,
            self.step,
            layer.cell,
            self.rows,
            shape[-1] or 1,
            self.units,
            shape[1] or 1,
            self.scope,
            self._last_is_read,
        )
        # The converter works out what a constant state adds; the first step is then
        # that from zeros. Of one state and one constant, both are taken for states.
        state = (*given, *given[: len(constant_states(self.step.call))])
        found = unroll.run(source, state, layer.go_backwards)
        states = 2 if isinstance(layer.cell, keras.layers.LSTMCell) else 1
        outputs, final = found[:-states], found[-states:]
        if not layer.return_sequences:
            return [outputs[-1], *final]
        packed = build.emit(
            self.step,
            "PACK",
            tuple(outputs),
            self._sequence(),
            scope=f"{self.scope}stack",
            letters=-51,
        )
        return [packed, *final]

    @property
    def _last_is_read(self) -> bool:
        """Whether something reads the last output; of c alone, it need not."""
        both = getattr(self.step.layer, "merge_mode", "") is None
        outputs = self.step.call.outputs[: 2 if both else 1]
        return any(self.states[:1]) or any(map(self.build.is_read, outputs))

    def _sequence(self) -> int:
        shape = self.step.call.inputs[0].shape
        return self.build.tensor(self.units, (*shape[:2], self.units.size))

    def _fused(self, source: int) -> list[int]:
        """Four kernels on the input, four on the state, four biases."""
        build, step = self.build, self.step
        name = f"{self.scope}{FUSED}" if self.scope else ""
        if self.layer.go_backwards:
            reverse = build.like(source)
            source = build.emit(step, "REVERSE_V2", source, reverse, name)
        sequence = self._sequence()
        build.emit(
            step,
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            source,
            sequence,
            name,
            weights=tuple(w for gate in "ifco" for w in self._weights(gate)),
            width=build.measure(Term(1.0, None, self.units)),
        )
        last = sequence
        if any(self.states) or not self.layer.return_sequences:
            row = build.tensor(self.units, (None, self.units.size))
            last = build.emit(step, "STRIDED_SLICE", sequence, row, name)
        if self.flips and self.layer.return_sequences:
            more = {"scope": name, "cut_name": f"flip_{step.name}"}
            flipped = build.like(sequence)
            sequence = build.emit(step, "REVERSE_V2", sequence, flipped, **more)
        output = sequence if self.layer.return_sequences else last
        # What stands for c is read by nothing.
        return [output, last, last]

    def _weights(self, gate: str) -> list[Weight]:
        rows = 1 if self.rows is not None else self.step.call.inputs[0].shape[-1]
        terms = {
            "kernel": Term(rows, self.rows, self.units),
            "recurrent": Term(1.0, self.units, self.units),
            "bias": Term(1.0, None, self.units),
        }
        return [
            self.build.weight(
                self.step,
                f"{self.scope}{name}_{gate}",
                term,
                each=4 if name == "bias" else 1,
            )
            for name, term in terms.items()
        ]


def recurrent(build: Builder, step: Step) -> list[int]:
    """An LSTM is one operator; other cells, and other LSTMs, are unrolled."""
    if not isinstance(getattr(step.layer, "cell", None), _CELLS):
        return other(build, step)
    return _alone(build, step).write()[: len(step.outputs)]


def _alone(build: Builder, step: Step) -> Direction:
    states = tuple(build.is_read(tensor) for tensor in step.call.outputs[1:])
    units = step.outputs[0].reshape(-1)
    return Direction(build, step, step.layer, units, states=states)


def bidirectional(build: Builder, step: Step) -> list[int]:
    """Both directions, whose own layer turns the outputs of the second round."""
    layer, pair = step.layer, step.memo.get("units")
    if pair is None:
        return other(build, step)
    outputs = step.call.outputs
    states = outputs[2 if layer.merge_mode is None else 1 :]
    read = [build.is_read(tensor) for tensor in states]
    half = len(read) // 2
    layers = (layer.forward_layer, layer.backward_layer)
    found = []
    for one, units, reads in zip(layers, pair, (read[:half], read[half:]), strict=True):
        flips, scope = one is layer.backward_layer, f"{one.name}/"
        way = Direction(build, step, one, units, scope, flips, tuple(reads))
        with build.apart(scope, f"{'backward' if flips else 'forward'}_{step.name}"):
            found.append(way.write())
    (there, *first), (back, *second) = found
    both = [*first[:half], *second[:half]]
    if layer.merge_mode is None:
        return [there, back, *both]
    return [_merged(build, step, there, back), *both]


def _merged(build: Builder, step: Step, there: int, back: int) -> int:
    kinds = {"concat": "CONCATENATION", "mul": "MUL", "sum": "ADD", "ave": "ADD"}
    mode = step.layer.merge_mode
    inputs, out = (there, back), build.output(step)
    cut_name = f"{mode}_{step.name}"
    out = build.emit(step, kinds[mode], inputs, out, scope=mode, cut_name=cut_name)
    if mode != "ave":
        return out
    half = build.weight(step, "half", Term(1.0))
    more = {"weights": (half,), "scope": mode}
    return build.emit(step, "SCALE", out, build.like(out), **more)


def flip(build: Builder, step: Step) -> list[int]:
    """Nothing behind an unrolled layer, which then gives its outputs that way."""
    maker = build.maker(step.call.inputs[0])
    (tensor,) = build.inputs(step)
    if maker is not None and _is_flipped(build, maker):
        return [build.emit(step, "NONE", tensor, build.output(step))]
    return [build.emit(step, "REVERSE_V2", tensor, build.output(step))]


def _is_flipped(build: Builder, step: Step) -> bool:
    """Whether what follows an unrolled layer turns all of its outputs round."""
    unrolls = isinstance(getattr(step.layer, "cell", None), _CELLS)
    if not unrolls or _alone(build, step).is_fused:
        return False
    tensor = step.call.outputs[0]
    if any(tensor is end for end in build.graph.model.outputs):
        return False
    readers = [reader.layer for reader in build.graph.consumers[id(tensor)]]
    return step.layer.return_sequences and all(
        type(layer).__name__ == "Flip" and layer.axis in (1, [1], (1,))
        for layer in readers
    )
