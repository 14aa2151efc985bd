"""An LSTM with neuron masks in plain NumPy, float64, one step at a time.

Wen, Zhang, Bai and Xu (arXiv:1906.06847) in Keras' layout: kernel (in, 4H),
recurrent kernel (H, 4H), bias (4H), gates in the order i, f, c, o. The mask z
acts on input neurons, s on hidden neurons; s also masks the bias and closes
the states, so that a dead unit gives exactly 0.
"""

import numpy as np

from tests.reference.hard_concrete import sigmoid


def masked_weights(
    kernel: np.ndarray,
    recurrent: np.ndarray,
    bias: np.ndarray,
    z: np.ndarray,
    s: np.ndarray,
    gates: int = 4,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W_hat, U_hat and b_hat, written entry by entry over the four gates.

    Or over three, those of a GRU, whose bias may have two rows.
    """
    units = len(s)
    w_hat, u_hat, b_hat = kernel.copy(), recurrent.copy(), bias.copy()
    for gate in range(gates):
        for j in range(units):
            column = gate * units + j
            b_hat[..., column] = bias[..., column] * s[j]
            for i in range(len(z)):
                w_hat[i, column] = kernel[i, column] * z[i] * s[j]
            for k in range(units):
                u_hat[k, column] = recurrent[k, column] * s[k] * s[j]
    return w_hat, u_hat, b_hat


def masked_lstm(
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent: np.ndarray,
    bias: np.ndarray,
    z: np.ndarray,
    s: np.ndarray,
    initial_state: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """h of every time step, shape (batch, steps, H)."""
    units = len(s)
    w, u, b = masked_weights(kernel, recurrent, bias, z, s)
    open_units = (s != 0.0).astype(np.float64)
    zeros = np.zeros((len(x), units))
    h, c = initial_state if initial_state is not None else (zeros, zeros)
    h, c = h * open_units, c * open_units
    outputs = []
    for step in range(x.shape[1]):
        a = x[:, step] @ w + h @ u + b
        i, f = sigmoid(a[:, :units]), sigmoid(a[:, units : 2 * units])
        o = sigmoid(a[:, 3 * units :])
        c = f * c + i * np.tanh(a[:, 2 * units : 3 * units])
        h = o * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)
