"""Makes an LSTM layer trace to the pattern TFLite fuses. Child process only."""

import itertools
from typing import Any

import keras
import tensorflow as tf

from keras_diffmask.errors import UnsupportedModelError

_numbers = itertools.count()


def fuse(layer: Any) -> None:
    """Turns `layer` in place into one that converts to a single operator.

    The converter recognises a function by its `api_implements` attribute, its
    six inputs and five outputs, and puts UNIDIRECTIONAL_SEQUENCE_LSTM in its
    place. The layer keeps its weights and its place in the graph: only the
    class changes, which reaches nested and shared layers too.

    Args:
        layer: an LSTM, or an RNN around an LSTMCell.
    """
    is_lstm = isinstance(layer, keras.layers.LSTM)
    layer.__class__ = FusedLSTM if is_lstm else FusedRNN


class _FusedCall:
    """`call` of both fused classes; `layer.cell` is an LSTMCell in either."""

    name: str
    cell: Any
    go_backwards: bool
    return_sequences: bool

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        if mask is not None:
            self._refuse("a mask", "a Masking or masking Embedding layer before it")
        if initial_state is not None:
            self._refuse("a given initial state", "initial_state=")
        if sequences.shape[1] is None:
            raise UnsupportedModelError(
                "a fixed sequence length",
                f"a dynamic one at layer '{self.name}'",
                "Give the Input a fixed number of steps.",
            )
        cell = self.cell
        kernel = tf.convert_to_tensor(cell.kernel)
        bias = (
            tf.convert_to_tensor(cell.bias)
            if cell.use_bias
            else tf.zeros([4 * cell.units])
        )
        zeros = tf.zeros([1, cell.units])
        last, sequence, *_ = _recipe(self.go_backwards)(
            sequences,
            zeros,
            zeros,
            kernel,
            tf.convert_to_tensor(cell.recurrent_kernel),
            bias,
        )
        return sequence if self.return_sequences else last

    def _refuse(self, what: str, where: str) -> None:
        raise UnsupportedModelError(
            "an LSTM that reads every step from a zero state, as the fused "
            "operator does",
            f"layer '{self.name}' with {what}",
            f"Remove {where}.",
        )


class FusedLSTM(_FusedCall, keras.layers.LSTM):
    """An LSTM layer about to be converted."""


class FusedRNN(_FusedCall, keras.layers.RNN):
    """An RNN layer around an LSTMCell, about to be converted."""


def _recipe(go_backwards: bool) -> Any:
    """Returns the function the converter replaces; it also computes the LSTM.

    The loop is a `tf.while_loop`: an unrolled body converts to the same file,
    but took 9 s instead of 0.3 s for 400 steps.
    """

    def body(x: Any, h: Any, c: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        steps, units = x.shape[1], h.shape[1]
        x = tf.transpose(x, [1, 0, 2])
        if go_backwards:
            x = tf.reverse(x, [0])
        history = tf.TensorArray(tf.float32, steps, element_shape=h.shape)

        def step(t: Any, h: Any, c: Any, history: Any) -> Any:
            gates = tf.matmul(x[t], kernel) + tf.matmul(h, recurrent) + bias
            i, f, g, o = tf.split(gates, 4, axis=1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            return t + 1, h, c, history.write(t, h)

        _, h, c, history = tf.while_loop(
            lambda t, *_: t < steps, step, (0, h, c, history)
        )
        sequence = tf.transpose(history.stack(), [1, 0, 2])
        sequence = tf.ensure_shape(sequence, [1, steps, units])
        return h, sequence, h, c, tf.constant(0.0)

    return tf.function(
        body,
        autograph=False,
        experimental_attributes={
            # Unique per call; counted, so that the same model gives the same file.
            "api_implements": f"lstm_{next(_numbers)}",
            "time_major": False,
            "go_backwards": go_backwards,
        },
    )
