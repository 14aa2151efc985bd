"""Layers that trace to what the converter should see. Child process only.

A layer keeps its weights and its place in the graph: only its class changes,
which reaches nested and shared layers too.
"""

from typing import Any

import keras
import tensorflow as tf

from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.emit.admission import no_mask
from keras_diffmask.export.emit.fused_lstm import fused
from keras_diffmask.export.emit.lean_unroll import unrolled
from keras_diffmask.export.emit.learned import nudged_limits
from keras_diffmask.export.emit.recurrent import (
    Recurrence,
    cells,
    iterate_layers,
    recurrences,
    with_inner,
)
from keras_diffmask.keras_internals import as_functional, calls, operation_classes
from keras_diffmask.layers import FakeQuantize

_Flip: Any = operation_classes("Flip")[0]


def swap_layers(model: Any, steps: int | None) -> list[Recurrence]:
    """Swaps recurrent, time-distributed and embedding layers of `model` in place.

    Args:
        model: the child's own copy.
        steps: length of a sequence where the model leaves it open.

    Returns:
        The recurrent layers and their forms.
    """
    found = recurrences(model, steps)
    _fold_flips(model, [item.layer for item in found if not item.fused])
    for recurrence in found:
        layer = recurrence.layer
        layer.__class__ = _written(type(layer))
        layer.written_reasons = recurrence.reasons
        layer.written_last_is_read = recurrence.last_is_read
    for layer in iterate_layers(model):
        if type(layer) is keras.layers.TimeDistributed and not _recurs(layer.layer):
            layer.__class__ = AllStepsAtOnce
        elif type(layer) is keras.layers.Bidirectional:
            layer.__class__ = BothDirections
            layer.backward_layer.written_flip = True
        elif type(layer) is FakeQuantize:
            layer.written_limits = nudged_limits(layer)
            layer.__class__ = LearnedRange
        elif type(layer) is keras.layers.Embedding and not layer.quantization_mode:
            layer.__class__ = OneGather
    return found


def _recurs(layer: Any) -> bool:
    kinds = (keras.layers.RNN, keras.layers.Bidirectional)
    return any(isinstance(inner, kinds) for inner in with_inner(layer))


def _fold_flips(model: Any, unrolled_layers: list[Any]) -> None:
    """Lets an unrolled layer give its outputs in the order a flip behind it makes.

    That is what is left of a Bidirectional whose directions were cut to different
    widths. A REVERSE_V2 there would part the scales of what was packed before it.
    """
    made_by: dict[int, Any] = {}
    readers: dict[int, list[Any]] = {}
    times_called: dict[int, int] = {}
    for call in calls(as_functional(model)):
        times_called[id(call.operation)] = times_called.get(id(call.operation), 0) + 1
        # The first output is the sequence; what follows are states.
        made_by[id(call.outputs[0])] = call.operation
        for tensor in call.inputs:
            readers.setdefault(id(tensor), []).append(call.operation)
    kept = {id(tensor) for tensor in model.outputs}
    candidates = {id(layer) for layer in unrolled_layers if layer.return_sequences}
    for tensor, flips in readers.items():
        layer: Any = made_by.get(tensor)
        if id(layer) not in candidates or times_called[id(layer)] > 1 or tensor in kept:
            continue
        if all(type(flip) is _Flip and flip.axis in (1, [1], (1,)) for flip in flips):
            layer.written_flip = True
            for flip in flips:
                flip.__class__ = _AlreadyFlipped


def _written(kind: Any) -> Any:
    return type(f"Written{kind.__name__}", (_WrittenCall, kind), {})


class _WrittenCall:
    """`call` of all swapped recurrent layers."""

    name: str
    cell: Any
    go_backwards: bool
    return_sequences: bool
    return_state: bool
    written_reasons: tuple[str, ...]
    written_flip: bool = False
    written_last_is_read: bool = True

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        if mask is not None:
            raise no_mask(self.name)
        if sequences.shape[1] is None:
            raise UnsupportedModelError(
                "a fixed sequence length",
                f"a dynamic one at layer '{self.name}'",
                "Pass steps=, or give the Input a fixed number of steps.",
            )
        # Batch 1, which a reshape before it may have lost.
        sequences = tf.ensure_shape(sequences, [1, *sequences.shape[1:]])
        last, outputs, states = self._run_cells(sequences, initial_state)
        output = outputs if self.return_sequences else last
        if not self.return_state:
            return output
        stacked = isinstance(self.cell, keras.layers.StackedRNNCells)
        return output, *(states if stacked and len(states) > 1 else states[0])

    def _run_cells(self, x: Any, initial_state: Any) -> tuple[Any, Any, list[Any]]:
        """Runs the cells one after the other, each over the whole sequence."""
        given = [] if initial_state is None else keras.tree.flatten(initial_state)
        chain = list(zip(cells(self), self.written_reasons, strict=True))
        last, states = None, []
        for number, (cell, reason) in enumerate(chain):
            backwards = self.go_backwards and number == 0
            is_last = number == len(chain) - 1
            flip = self.written_flip and is_last
            if reason:
                count = 1 if isinstance(cell.state_size, int) else 2
                mine, given = given[:count], given[count:]
                reads = self.written_last_is_read or not is_last
                last, x, new = unrolled(cell, x, mine or None, backwards, flip, reads)
            else:
                x = tf.reverse(x, [1]) if backwards else x
                last, x, new = fused(self.name, cell, x)
                x = tf.reverse(x, [1]) if flip else x
            states.append(new)
        return last, x, states


class _AlreadyFlipped(_Flip):
    """A flip whose input comes in its output's order."""

    def call(self, x: Any) -> Any:
        return x


class AllStepsAtOnce(keras.layers.TimeDistributed):
    """`TimeDistributed` with the steps as a batch: one operator, not one a step."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        # One example, or as many as an outer one has steps.
        batch, steps, *sizes = inputs.shape
        batch = batch or 1
        rows = tf.reshape(inputs, [batch * steps, *sizes])
        outputs = self.layer(rows, training=False)
        return tf.reshape(outputs, [batch, steps, *outputs.shape[1:]])


class LearnedRange(FakeQuantize):
    """`FakeQuantize` as the operator that the converter takes a range from."""

    written_limits: tuple[float, float]

    def call(self, inputs: Any, observe: bool = True, training: Any = None) -> Any:
        low, high = (tf.constant(limit) for limit in self.written_limits)
        return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high)


class OneGather(keras.layers.Embedding):
    """`Embedding` without Keras' support of negative indices: a SELECT fewer,
    which microcontrollers lack.
    """

    def call(self, inputs: Any) -> Any:
        return tf.gather(self.embeddings, tf.cast(inputs, tf.int32))


class BothDirections(keras.layers.Bidirectional):
    """`Bidirectional` whose backward layer itself gives its outputs in order.

    An unrolled layer then needs no REVERSE_V2, whose scale the converter does not
    carry back to what was packed before it.
    """

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: Any = None,
    ) -> Any:
        half = len(initial_state) // 2 if initial_state else 0
        there = self.forward_layer(
            sequences, mask=mask, initial_state=initial_state[:half] if half else None
        )
        back = self.backward_layer(
            sequences, mask=mask, initial_state=initial_state[half:] if half else None
        )
        states: tuple = ()
        if self.return_state:
            states = (*there[1:], *back[1:])
            there, back = there[0], back[0]
        output: tuple = (there, back)
        if self.merge_mode is not None:
            output = (_merge(self.merge_mode, there, back),)
        both = (*output, *states)
        return both if len(both) > 1 else both[0]


def _merge(mode: str, there: Any, back: Any) -> Any:
    if mode == "concat":
        return tf.concat([there, back], axis=-1)
    if mode == "mul":
        return there * back
    return (there + back) / 2 if mode == "ave" else there + back
