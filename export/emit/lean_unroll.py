"""Recurrent cells step by step, in few operators. Child process only.

For what has no fused operator. The input projections of all steps are one
FULLY_CONNECTED per group of gates that have an activation in common, and such
gates are computed together.

The first step from a zero state is written without the state: the converter
would drop what a zero multiplies, leave an output of a SPLIT unread, and leave
an operator with an unread output in float, for want of a calibrated range.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

# The converter names each output of a SPLIT after all of them: 60 steps split at
# once made a file of 400 kB, 260 of them names.
_PIECE = 8


def unrolled(
    cell: Any,
    sequences: Any,
    state: list[Any] | None,
    backwards: bool = False,
    flip: bool = False,
    last_is_read: bool = True,
) -> tuple[Any, Any, list[Any]]:
    """Runs a cell over sequences of batch 1.

    Args:
        cell: a built `LSTMCell`, `GRUCell` or `SimpleRNNCell`.
        sequences: shape (1, steps, features), all sizes known.
        state: the initial states, each of shape (1, units); None for zeros.
        backwards: begin with the last step.
        flip: give the outputs in the opposite order of their computation.
        last_is_read: whether something reads the last output.

    Returns:
        The last output, all outputs of shape (1, steps, units), and the final
        states.
    """
    kinds = {
        keras.layers.LSTMCell: _lstm,
        keras.layers.GRUCell: _gru,
        keras.layers.SimpleRNNCell: _simple,
    }
    projections, step = kinds[type(cell)](cell, sequences)
    rows = list(zip(*projections, strict=True))
    states, outputs = _without_zeros(state), []
    for number, row in enumerate(rows[::-1] if backwards else rows, 1):
        states = step(states, *row, last_is_read or number < len(rows))
        outputs.append(states[0])
    sequence = tf.stack(outputs[::-1] if flip else outputs, axis=1)
    return outputs[-1], sequence, list(states or ())


def _without_zeros(state: list[Any] | None) -> list[Any] | None:
    """The initial states, None for each constant of zeros, and for all of them."""
    left = [None if is_zero(part) else part for part in state or ()]
    return None if all(part is None for part in left) else left


def is_zero(state: Any) -> bool:
    """Whether a state is known, and is zeros."""
    value = tf.get_static_value(state)
    return value is not None and not np.any(value)


def _project(sequences: Any, kernel: Any, bias: Any) -> list[Any]:
    """One matrix product for all steps; returns a row (1, units) per step."""
    _, steps, features = sequences.shape
    rows = tf.matmul(tf.reshape(sequences, [steps, features]), kernel)
    if bias is not None:
        rows = rows + bias
    pieces = [rows[t : t + _PIECE] for t in range(0, steps, _PIECE)]
    return [
        row
        for piece in pieces
        for row in (tf.split(piece, piece.shape[0]) if piece.shape[0] > 1 else [piece])
    ]


def _lstm(cell: Any, sequences: Any) -> Any:
    kernel = _sort_lstm(tf.convert_to_tensor(cell.kernel))
    recurrent = _sort_lstm(tf.convert_to_tensor(cell.recurrent_kernel))
    bias = (None, None)
    if cell.use_bias:
        bias = _sort_lstm(tf.convert_to_tensor(cell.bias))
    units = cell.units

    def step(
        states: list[Any] | None, gates: Any, new: Any, is_read: bool
    ) -> list[Any]:
        h, c = states or (None, None)
        if h is not None:
            gates = gates + tf.matmul(h, recurrent[0])
            new = new + tf.matmul(h, recurrent[1])
        gates = cell.recurrent_activation(gates)
        if c is None:
            i, o = gates[:, :units], gates[:, 2 * units :]
            c = i * cell.activation(new)
        else:
            i, f, o = tf.split(gates, 3, axis=1) if is_read else _slices(gates, units)
            c = f * c + i * cell.activation(new)
        return [o * cell.activation(c), c]

    return [_project(sequences, kernel[k], bias[k]) for k in (0, 1)], step


def _slices(gates: Any, units: int) -> list[Any]:
    """What a SPLIT gives, where one of its outputs would be left unread."""
    return [gates[:, k * units : (k + 1) * units] for k in range(3)]


def _sort_lstm(weights: Any) -> tuple[Any, Any]:
    """From Keras' i, f, c, o to those of one activation, (i, f, o), and c."""
    i, f, c, o = tf.split(weights, 4, axis=-1)
    return tf.concat([i, f, o], axis=-1), c


def _gru(cell: Any, sequences: Any) -> Any:
    kernel = tf.convert_to_tensor(cell.kernel)
    recurrent = tf.convert_to_tensor(cell.recurrent_kernel)
    width = 2 * cell.units  # of the gates z and r, which come first
    outer = inner = None
    if cell.use_bias:
        outer = tf.convert_to_tensor(cell.bias)
        if cell.reset_after:  # the recurrent product has a bias of its own
            outer, inner = outer[0], outer[1]

    def product(h: Any, part: slice) -> Any:
        result = tf.matmul(h, recurrent[:, part])
        return result if inner is None else result + inner[part]

    def step(
        states: list[Any] | None, gates: Any, new: Any, _is_read: bool
    ) -> list[Any]:
        if states is None:
            if inner is not None:
                z, r = tf.split(_of(gates + inner[:width]), 2, axis=1)
                new = new + r * inner[width:]
            else:
                z = _of(gates)[:, : cell.units]
            new = cell.activation(new)
            return [new - z * new]
        (h,) = states
        z, r = tf.split(_of(gates + product(h, slice(width))), 2, axis=1)
        rest = slice(width, None)
        new += r * product(h, rest) if cell.reset_after else product(r * h, rest)
        new = cell.activation(new)
        return [new + z * (h - new)]  # z * h + (1 - z) * new, an operator fewer

    _of = cell.recurrent_activation
    gates = _project(
        sequences, kernel[:, :width], None if outer is None else outer[:width]
    )
    new = _project(
        sequences, kernel[:, width:], None if outer is None else outer[width:]
    )
    return [gates, new], step


def _simple(cell: Any, sequences: Any) -> Any:
    recurrent = tf.convert_to_tensor(cell.recurrent_kernel)
    bias = tf.convert_to_tensor(cell.bias) if cell.use_bias else None

    def step(states: list[Any] | None, row: Any, _is_read: bool) -> list[Any]:
        if states is not None:
            row = row + tf.matmul(states[0], recurrent)
        return [cell.activation(row)]

    return [_project(sequences, tf.convert_to_tensor(cell.kernel), bias)], step
