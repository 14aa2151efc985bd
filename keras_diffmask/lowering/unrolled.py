"""What the exporter writes for a cell that has no fused operator: step by step.

The mirror of `export/emit/lean_unroll.py`. TensorFlow orders operators by their
names (`order`): those that several operators read from are numbered as it does.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import Step, Term
from keras_diffmask.lowering.activations import activate
from keras_diffmask.lowering.builder import Builder
from keras_diffmask.lowering.program import Weight

#: The exporter splits the rows of that many steps at once.
_PIECE = 8
#: Letters of a name within an unrolled layer, `model_1/gru_1/MatMul_12`, say;
#: what no weight comes with takes fewer bytes of the file.
_NAME, _LIGHTER = 25, 43
#: What other operators of these kinds have for a name on average.
_USUAL = {"ADD": 56, "MUL": 52, "FULLY_CONNECTED": 50, "STRIDED_SLICE": 20}


@dataclass
class Unroll:
    """One cell over one sequence.

    Attributes:
        build: what to write with.
        step: the call; its name goes into the names of operators.
        cell: an `LSTMCell`, `GRUCell` or `SimpleRNNCell`.
        rows: ids of the input's channels; None where they are no channels.
        features: how many entries a row of the input has.
        units: ids of the hidden units.
        steps: of the sequence.
        scope: of the layer within the call, `backward_gru/`, say.
        last_is_read: whether something reads the last output.
    """

    build: Builder
    step: Step
    cell: Any
    rows: np.ndarray | None
    features: int
    units: np.ndarray
    steps: int
    scope: str = ""
    last_is_read: bool = True
    _numbers: Counter = field(default_factory=Counter)
    _weights: dict[str, Weight] = field(default_factory=dict)

    def run(self, source: int, state: tuple[int, ...], backwards: bool) -> list[int]:
        """Write all steps; returns the outputs of each, and the final states.

        Args:
            source: the sequence.
            state: initial states; none for zeros.
            backwards: begin with the last step.
        """
        kinds = {
            keras.layers.LSTMCell: self._lstm,
            keras.layers.GRUCell: self._gru,
            keras.layers.SimpleRNNCell: self._simple,
        }
        write = next(kinds[k] for k in type(self.cell).__mro__ if k in kinds)
        outputs, states = write(source, state, -1 if backwards else 1)
        return [*outputs, *states]

    # The operators.

    def _emit(
        self, node: str, kind: str, inputs: Any, outputs: Any, **more: Any
    ) -> int:
        letters = _NAME - _LIGHTER - _USUAL.get(kind, 36)
        scope = f"{self.scope}{self._number(node)}"
        more = {"scope": scope, "letters": letters, **more}
        return self.build.emit(self.step, kind, inputs, outputs, **more)

    def _number(self, node: str) -> str:
        number = self._numbers[node]
        self._numbers[node] += 1
        return f"{node}_{number}" if number else node

    def _row(self, times: int = 1) -> int:
        """A row of so many entries per unit."""
        return self.build.entries(Term(times, None, self.units))

    def _with(self, node: str, kind: str, *tensors: int) -> int:
        out = self.build.like(tensors[0])
        return self._emit(node, kind, tensors, out)

    def _act(self, function: Any, tensor: int) -> int:
        return activate(self.build, self.step, tensor, function)

    @property
    def _is_ahead(self) -> bool:
        # A GRU's kernel is cut in two at every step, and has no name of its own.
        return not isinstance(self.cell, keras.layers.GRUCell)

    def _slice(self, tensor: int) -> int:
        return self._emit("strided_slice", "STRIDED_SLICE", tensor, self._row())

    def _split(self, tensor: int, count: int, each: int = 1) -> tuple[int, ...]:
        """Each name holds those of all parts."""
        parts = tuple(self._row(each) for _ in range(count))
        letters = count * (count * (_NAME + 2) - _LIGHTER) - 36
        self._emit("split", "SPLIT", tensor, parts, letters=letters)
        return parts

    def _constant(self, name: str, times: int) -> Weight:
        term = Term(times, None, self.units)
        return self._weight(name, term, each=1.0)

    def _weight(self, name: str, term: Term, each: float = 1.0) -> Weight:
        key = f"{self.scope}{name}"
        if key not in self._weights:
            more = Term(1.0)
            if self.build.per_channel_dense and name.startswith(
                ("kernel", "recurrent")
            ):
                more = Term(term.factor, None, self.units)
            self._weights[key] = self.build.weight(self.step, key, term, more, each)
        return self._weights[key]

    def _product(self, source: int, times: int, kernel: str, bias: str = "") -> int:
        """Of a state; its scale is that of its step, and so is the bias's."""
        weights = [self._weight(kernel, Term(times, self.units, self.units))]
        shared = int(f"{self.scope}{kernel}" in self._weights)
        more: dict[str, Any] = {"ahead": self._is_ahead, "shared": shared}
        if bias:
            weights.append(self._weight(bias, Term(times, None, self.units), each=4))
            more["letters"] = -36  # of the operator's name and of the bias's
        node, kind, more["weights"] = "MatMul", "FULLY_CONNECTED", tuple(weights)
        return self._emit(node, kind, source, self._row(times), **more)

    def _project(self, source: int, times: int, name: str) -> list[int]:
        """A row per step, of one product for all of them."""
        rows = self.features if self.rows is None else 1
        kernel = Term(times * rows, self.rows, self.units)
        weights = [self._weight(f"kernel_{name}", kernel)]
        if self.cell.use_bias:
            bias = Term(times, None, self.units)
            weights.append(self._weight(f"{name}/bias", bias, each=4))
        all_rows = self.build.entries(Term(times * self.steps, None, self.units))
        node, kind = "MatMul", "FULLY_CONNECTED"
        self._emit(node, kind, source, all_rows, weights=tuple(weights))
        found: list[int] = []
        for start in range(0, self.steps, _PIECE):
            count = min(_PIECE, self.steps - start)
            piece = self.build.entries(Term(times * count, None, self.units))
            self._emit("strided_slice", "STRIDED_SLICE", all_rows, piece)
            found += self._split(piece, count, times) if count > 1 else (piece,)
        return found

    # The cells.

    def _simple(self, source: int, state: Any, way: int) -> Any:
        h, outputs = state[0] if state else None, []
        for row in self._project(source, 1, "input")[::way]:
            if h is not None:
                row = self._with("add", "ADD", row, self._product(h, 1, "recurrent"))
            h = self._act(self.cell.activation, row)
            outputs.append(h)
        return outputs, [h]

    def _gru(self, source: int, state: Any, way: int) -> Any:
        cell = self.cell
        twice = cell.use_bias and cell.reset_after
        # Slices of the weights have numbers too, though nothing is left of them.
        self._numbers["strided_slice"] += 2 * twice + 1 + cell.use_bias
        gates = self._project(source, 2, "gates")[::way]
        self._numbers["strided_slice"] += 1 + cell.use_bias
        new = self._project(source, 1, "new")[::way]
        h, outputs = state[0] if state else None, []
        for number, (both, row) in enumerate(zip(gates, new, strict=True)):
            if h is None:
                h = self._first_of_gru(both, row, twice)
            else:
                h = self._step_of_gru(number, h, both, row, twice)
            outputs.append(h)
        return outputs, [h]

    def _first_of_gru(self, gates: int, row: int, twice: bool) -> int:
        cell = self.cell
        if twice:
            weights = (self._constant("first_gates", 2),)
            out = self.build.like(gates)
            gates = self._emit("add", "ADD", gates, out, weights=weights)
            z, r = self._split(self._act(cell.recurrent_activation, gates), 2)
            weights = (self._constant("first_new", 1),)
            reset = self._emit("mul", "MUL", r, self._row(), weights=weights)
            row = self._with("add", "ADD", row, reset)
        else:
            z = self._slice(self._act(cell.recurrent_activation, gates))
        new = self._act(cell.activation, row)
        rest = self._with("mul", "MUL", z, new)
        return self._with("sub", "SUB", new, rest)

    def _step_of_gru(
        self, number: int, h: int, gates: int, row: int, twice: bool
    ) -> int:
        cell = self.cell
        biases = [f"{number}_{part}/bias" if twice else "" for part in ("gates", "new")]
        gates = self._with(
            "add", "ADD", gates, self._product(h, 2, "recurrent_gates", biases[0])
        )
        z, r = self._split(self._act(cell.recurrent_activation, gates), 2)
        if cell.reset_after:
            product = self._product(h, 1, "recurrent_new", biases[1])
            rest = self._with("mul", "MUL", r, product)
        else:
            reset = self._with("mul", "MUL", r, h)
            rest = self._product(reset, 1, "recurrent_new")
        new = self._act(cell.activation, self._with("add", "ADD", row, rest))
        change = self._with("sub", "SUB", h, new)
        return self._with("add", "ADD", new, self._with("mul", "MUL", z, change))

    def _lstm(self, source: int, state: Any, way: int) -> Any:
        cell = self.cell
        gates = self._project(source, 3, "gates")[::way]
        new = self._project(source, 1, "new")[::way]
        h, c = state or (None, -1)
        outputs = []
        for number, (both, row) in enumerate(zip(gates, new, strict=True), 1):
            if h is None:
                both = self._act(cell.recurrent_activation, both)
                i, o = self._slice(both), self._slice(both)
                c = self._with("mul", "MUL", i, self._act(cell.activation, row))
            else:
                product = self._product(h, 3, "recurrent_gates")
                both = self._with("add", "ADD", both, product)
                both = self._act(cell.recurrent_activation, both)
                if self.last_is_read or number < self.steps:
                    i, f, o = self._split(both, 3)
                else:  # of which one would be left unread
                    i, f, o = (self._slice(both) for _ in range(3))
                kept = self._with("mul", "MUL", f, c)
                product = self._product(h, 1, "recurrent_new")
                row = self._with("add", "ADD", row, product)
                new_c = self._act(cell.activation, row)
                new_c = self._with("mul", "MUL", i, new_c)
                c = self._with("add", "ADD", kept, new_c)
            h = self._with("mul", "MUL", o, self._act(cell.activation, c))
            outputs.append(h)
        return outputs, [h, c]
