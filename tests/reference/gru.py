"""A GRU and a plain RNN with neuron masks in NumPy, float64, one step at a time.

Cho et al. (arXiv:1406.1078) in Keras' layout: kernel (in, 3H), recurrent
kernel (H, 3H), gates in the order z, r, h; what the paper calls z is one minus
Keras' z. Its first version resets the state before the product with the
recurrent kernel (bias (3H,)), its last one after it (bias (2, 3H): the second
row goes with the recurrent product). The masks are those of `lstm`.
"""

import numpy as np

from tests.reference.hard_concrete import sigmoid
from tests.reference.lstm import masked_weights


def masked_gru(
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent: np.ndarray,
    bias: np.ndarray,
    z: np.ndarray,
    s: np.ndarray,
    initial_state: tuple[np.ndarray] | None = None,
) -> np.ndarray:
    """h of every time step, shape (batch, steps, H)."""
    units = len(s)
    w, u, b = masked_weights(kernel, recurrent, bias, z, s, gates=3)
    resets_after = b.ndim == 2
    first, second = b if resets_after else (b, np.zeros_like(b))
    update, reset = slice(0, units), slice(units, 2 * units)
    candidate = slice(2 * units, None)
    h = _start(x, s, initial_state)
    outputs = []
    for step in range(x.shape[1]):
        read = x[:, step] @ w + first
        gate = sigmoid(read[:, update] + h @ u[:, update] + second[update])
        r = sigmoid(read[:, reset] + h @ u[:, reset] + second[reset])
        if resets_after:
            heard = r * (h @ u[:, candidate] + second[candidate])
        else:
            heard = (r * h) @ u[:, candidate]
        h = gate * h + (1.0 - gate) * np.tanh(read[:, candidate] + heard)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def masked_simple_rnn(
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent: np.ndarray,
    bias: np.ndarray,
    z: np.ndarray,
    s: np.ndarray,
    initial_state: tuple[np.ndarray] | None = None,
) -> np.ndarray:
    """h = tanh(x W + h U + b) of every time step, shape (batch, steps, H)."""
    w, u, b = masked_weights(kernel, recurrent, bias, z, s, gates=1)
    h = _start(x, s, initial_state)
    outputs = []
    for step in range(x.shape[1]):
        h = np.tanh(x[:, step] @ w + h @ u + b)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def _start(x: np.ndarray, s: np.ndarray, given: tuple | None) -> np.ndarray:
    h = np.zeros((len(x), len(s))) if given is None else given[0]
    return h * (s != 0.0)
