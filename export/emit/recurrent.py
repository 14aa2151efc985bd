"""How each recurrent layer of a model will be written: fused, or step by step.

Decided before TensorFlow is started, and again, alike, in the child process.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask import keras_internals
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.graph.rules.initial_state import constant_states, is_all_zero

_LAYERS = (
    keras.layers.LSTM,
    keras.layers.GRU,
    keras.layers.SimpleRNN,
    keras.layers.RNN,
)
# Cell -> operators per step of its unrolled form, counted in files of the converter.
_CELLS = {
    keras.layers.LSTMCell: 12,
    keras.layers.GRUCell: 12,
    keras.layers.SimpleRNNCell: 3,
}
# Bytes that each operator adds to TFLM's arena and to an int8 file, layer by layer:
# within 15 % of one and two layers of 11 to 32 units over 16 to 60 steps, with the
# interpreter for x86-64, whose pointers are twice a microcontroller's.
_ARENA_PER_OP = 165
_FILE_PER_OP = 285
# Not elementwise: gates computed in one go would disturb each other.
_MIXING = ("softmax", "log_softmax", "glu", "sparsemax", "sparse_softmax")


@dataclass(frozen=True, eq=False)
class Recurrence:
    """One recurrent layer (a direction of a Bidirectional is one) and its form.

    Args:
        layer: an LSTM, GRU, SimpleRNN or RNN layer.
        reasons: per cell, why it has to be unrolled; "" where it is fused.
        steps: length of its sequences; None when it is not known.
        last_is_read: whether something reads its last output, of each call.
    """

    layer: Any
    reasons: tuple[str, ...]
    steps: int | None
    last_is_read: bool = True

    @property
    def fused(self) -> bool:
        """Whether every cell becomes one operator."""
        return not any(self.reasons)

    @property
    def note(self) -> str:
        """What unrolling this layer costs, as one sentence; "" when it is fused."""
        if self.fused:
            return ""
        unrolled = [
            c for c, why in zip(cells(self.layer), self.reasons, strict=True) if why
        ]
        ops = sum(_CELLS[type(cell)] for cell in unrolled)
        cost = f"about {ops} operators per step"
        if self.steps is not None:
            total = ops * self.steps
            cost += (
                f", {total:,} for its {self.steps} steps, which take some "
                f"{_ARENA_PER_OP * total / 1000:,.0f} kB of TFLM arena and "
                f"{_FILE_PER_OP * total / 1000:,.0f} kB of an int8 file"
            )
        why = "; ".join(dict.fromkeys(filter(None, self.reasons)))
        return (
            f"Layer '{self.layer.name}' has no fused TFLite operator ({why}) and is "
            f"unrolled: {cost}. A fused LSTM is one operator."
        )


@dataclass(frozen=True, eq=False)
class FusedCall:
    """One traced call that the converter has to replace by one operator.

    Args:
        layer: name of the layer it belongs to.
        steps, inputs, units: sizes of its sequence, input and output.
        output: what it gave in the traced graph.
        largest_cell: how far its cell state went from 0 in the calibration set;
            0 where nobody looked.
    """

    layer: str
    steps: int
    inputs: int
    units: int
    output: Any = None
    largest_cell: float = 0.0


def cells(layer: Any) -> tuple[Any, ...]:
    """The cells of a recurrent layer, first to last."""
    if isinstance(layer.cell, keras.layers.StackedRNNCells):
        return tuple(layer.cell.cells)
    return (layer.cell,)


def iterate_layers(model: Any) -> Iterator[Any]:
    """Yields every layer of `model`, inside nested models and wrappers too."""
    for layer in model.layers:
        yield from with_inner(layer)


def with_inner(layer: Any) -> Iterator[Any]:
    """Yields a layer, and all that it holds."""
    yield layer
    if hasattr(layer, "layers"):
        yield from iterate_layers(layer)
    elif isinstance(layer, keras.layers.Wrapper):
        yield from with_inner(layer.layer)
    elif isinstance(layer, keras.layers.Bidirectional):
        yield from (layer.forward_layer, layer.backward_layer)


def recurrences(model: Any, steps: int | None = None) -> list[Recurrence]:
    """The recurrent layers of a model and the form each will get.

    Args:
        model: a Functional or Sequential model.
        steps: length of a sequence where the model leaves it open.

    Returns:
        One entry per layer, in the model's order.

    Raises:
        UnsupportedModelError: a layer or cell of a kind that has neither form.
    """
    uses = _Uses(model)
    found = {
        id(layer): layer
        for layer in iterate_layers(model)
        if isinstance(layer, keras.layers.RNN)
    }
    return [
        Recurrence(
            layer,
            tuple(
                _reason(layer, cell, i, uses) for i, cell in enumerate(_check(layer))
            ),
            uses.steps.get(id(layer), None) or steps,
            id(layer) not in uses.unread,
        )
        for layer in found.values()
    ]


def _check(layer: Any) -> tuple[Any, ...]:
    """Returns the layer's cells, all of kinds that can be written."""
    kinds = "LSTM, GRU, SimpleRNN, or RNN around their cells"
    if type(layer) not in _LAYERS:
        raise UnsupportedModelError(
            f"recurrent layers of the kinds {kinds}",
            f"layer '{layer.name}' of class {type(layer).__name__}",
            "Replace it; TFLite has no operator for it.",
        )
    for cell in cells(layer):
        if type(cell) not in _CELLS:
            kind = f"{type(cell).__module__}.{type(cell).__name__}"
            raise UnsupportedModelError(
                f"recurrent layers of the kinds {kinds}",
                f"layer '{layer.name}' with a cell of class {kind}",
                "Write the cell as a keras.layers.LSTMCell if it computes the same; "
                "else unroll it with Keras layers and keras.ops in the model.",
            )
        for argument in ("activation", "recurrent_activation"):
            function = getattr(getattr(cell, argument, None), "__name__", "")
            if function in _MIXING:
                raise UnsupportedModelError(
                    f"an {argument} that works on each unit alone",
                    f"layer '{layer.name}' with {argument}='{function}'",
                    "Train it with 'tanh', 'sigmoid' or 'relu' for example.",
                )
    return cells(layer)


def _reason(layer: Any, cell: Any, index: int, uses: "_Uses") -> str:
    """Why a cell can't be fused; "" when it can."""
    if type(cell) is not keras.layers.LSTMCell:
        return f"it is a {type(cell).__name__.removesuffix('Cell')}"
    for argument, needed in (
        ("activation", keras.activations.tanh),
        ("recurrent_activation", keras.activations.sigmoid),
    ):
        actual = getattr(cell, argument)
        if actual is not needed:
            name = getattr(actual, "__name__", actual)
            return f"{argument}='{name}' instead of '{needed.__name__}'"
    if id(layer) in uses.given_state:
        return "it is given an initial state"
    # The fused operator has no output for c. Its h is the last output.
    states = [1 if isinstance(c.state_size, int) else 2 for c in cells(layer)]
    if sum(states[:index]) + 1 in uses.states.get(id(layer), ()):
        return "its final cell state c is used"
    return ""


def _require_one_row(layer: Any, call: Any) -> None:
    """A file computes one example; its constants can't differ between examples."""
    for state in constant_states(call):
        if len(state) != 1:
            raise UnsupportedModelError(
                "an initial state that all examples have in common",
                f"layer '{layer.name}' with one of shape {state.shape} as a constant",
                "Give it one row, shape (1, units), or make the state an Input.",
            )


class _Uses:
    """What the graph, nested models included, does with its recurrent layers.

    Attributes:
        given_state: ids of layers that get an initial state other than zeros.
        states: id of a layer -> places in its flat list of final states that
            something reads.
        steps: id of a layer -> length of the sequences it gets.
        unread: ids of layers of which a call gives a last output that nothing reads.
    """

    def __init__(self, model: Any) -> None:
        self.given_state: set[int] = set()
        self.states: dict[int, set[int]] = {}
        self.steps: dict[int, int] = {}
        self.unread: set[int] = set()
        self._read(model)

    def _read(self, model: Any) -> None:
        graph = keras_internals.as_functional(model)
        calls = list(keras_internals.calls(graph))
        used = {id(t) for call in calls for t in call.inputs}
        used |= {id(t) for t in graph.outputs}
        for call in calls:
            layer = call.operation
            if hasattr(layer, "layers"):
                self._read(layer)
            elif isinstance(layer, keras.layers.Wrapper):
                if hasattr(layer.layer, "layers"):
                    self._read(layer.layer)
            elif isinstance(layer, keras.layers.RNN):
                self._note(layer, call, call.outputs[1:], used)
            elif isinstance(layer, keras.layers.Bidirectional):
                # Keras gives the states of one direction, then of the other.
                states = call.outputs[2 if layer.merge_mode is None else 1 :]
                half = len(states) // 2
                self._note(layer.forward_layer, call, states[:half], used)
                self._note(layer.backward_layer, call, states[half:], used)

    def _note(self, layer: Any, call: Any, states: Any, used: set[int]) -> None:
        _require_one_row(layer, call)
        if not is_all_zero(call):
            self.given_state.add(id(layer))
        read = {i for i, state in enumerate(states) if id(state) in used}
        self.states.setdefault(id(layer), set()).update(read)
        # Of a stack, the last cell's h is what follows the states of the others.
        own = 1 if isinstance(cells(layer)[-1].state_size, int) else 2
        outputs = call.outputs[: len(call.outputs) - len(states)]
        if not any(id(output) in used for output in outputs):
            if len(states) - own not in read:
                self.unread.add(id(layer))
        steps = call.inputs[0].shape[1]
        if steps is not None:
            self.steps[id(layer)] = steps
