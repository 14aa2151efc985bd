"""The LSTM as the pattern TFLite fuses. Child process only."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from keras_diffmask.export.emit.recurrent import FusedCall

_numbers = itertools.count()


_calls: list[FusedCall] = []


@contextmanager
def recording() -> Iterator[list[FusedCall]]:
    """Within it, collects the fused calls that are traced."""
    _calls.clear()
    yield _calls


_measured: list[Any] | None = None


@contextmanager
def measuring() -> Iterator[list[Any]]:
    """Within it, computes LSTMs as they are, and collects how far each c goes.

    One pair per call: steps, inputs and units; and the tensor.
    """
    global _measured
    _measured = []
    try:
        yield _measured
    finally:
        _measured = None


def fused(layer: str, cell: Any, sequences: Any) -> tuple[Any, Any, list[Any]]:
    """Runs an LSTMCell over sequences in the form the converter recognises.

    It looks for a function with the attribute `api_implements`, six inputs and
    five outputs, and puts UNIDIRECTIONAL_SEQUENCE_LSTM in its place.

    Args:
        layer: name of the layer the cell belongs to.
        cell: a built `LSTMCell` with tanh and sigmoid.
        sequences: shape (1, steps, features), all sizes known.

    Returns:
        The last output, all outputs, and the final states h and c. Reading c
        makes the converter leave the loop as it is.
    """
    _, steps, inputs = sequences.shape
    zeros = tf.zeros([1, cell.units])
    bias = tf.convert_to_tensor(cell.bias) if cell.use_bias else None
    arguments = (
        sequences,
        zeros,
        zeros,
        tf.convert_to_tensor(cell.kernel),
        tf.convert_to_tensor(cell.recurrent_kernel),
        tf.zeros([4 * cell.units]) if bias is None else bias,
    )
    if _measured is not None:
        last, sequence, c, largest = _loop(*arguments)
        _measured.append(((steps, inputs, cell.units), largest))
        return last, sequence, [last, c]
    last, sequence, _, c, _ = _recipe()(*arguments)
    _calls.append(FusedCall(layer, steps, inputs, cell.units, sequence))
    return last, sequence, [last, c]


def _loop(x: Any, h: Any, c: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """An LSTM over a sequence: last h, every h, last c, and how far c went from 0.

    A `tf.while_loop`: an unrolled body converts to the same file, but took 9 s
    instead of 0.3 s for 400 steps.
    """
    steps, units = x.shape[1], h.shape[1]
    x = tf.transpose(x, [1, 0, 2])
    history = tf.TensorArray(tf.float32, steps, element_shape=h.shape)

    def step(t: Any, h: Any, c: Any, history: Any, largest: Any) -> Any:
        gates = tf.matmul(x[t], kernel) + tf.matmul(h, recurrent) + bias
        i, f, g, o = tf.split(gates, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        largest = tf.maximum(largest, tf.reduce_max(tf.abs(c)))
        return t + 1, h, c, history.write(t, h), largest

    _, h, c, history, largest = tf.while_loop(
        lambda t, *_: t < steps, step, (0, h, c, history, tf.constant(0.0))
    )
    sequence = tf.transpose(history.stack(), [1, 0, 2])
    return h, tf.ensure_shape(sequence, [1, steps, units]), c, largest


def _recipe() -> Any:
    """Returns the function the converter replaces; it also computes the LSTM."""

    def body(x: Any, h: Any, c: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        h, sequence, c, _ = _loop(x, h, c, kernel, recurrent, bias)
        return h, sequence, h, c, tf.constant(0.0)

    return tf.function(
        body,
        autograph=False,
        experimental_attributes={
            # Unique per call; counted, so that the same model gives the same file.
            "api_implements": f"lstm_{next(_numbers)}",
            "time_major": False,
            "go_backwards": False,
        },
    )
