"""Dynamic probabilistic pruning in plain NumPy, float64, from the paper's text.

Gonzalez-Carabarin et al. (arXiv:2105.12686), with the loop over k that the
paper describes. Rows lie along the last axis.
"""

import numpy as np


def gumbel(u: np.ndarray) -> np.ndarray:
    return -np.log(-np.log(np.asarray(u, dtype=np.float64)))


def hard(s: np.ndarray, k: int) -> np.ndarray:
    """1 at the k largest of each row."""
    order = np.argsort(-np.asarray(s, dtype=np.float64), axis=-1, kind="stable")
    mask = np.zeros(np.shape(s))
    np.put_along_axis(mask, order[..., :k], 1.0, axis=-1)
    return mask


def soft(
    s: np.ndarray, k: int, temperature: float, by_index: bool = False
) -> np.ndarray:
    """The sum of k softmaxes, each without what those before it have picked.

    Args:
        s: logits and their noise.
        k: how many are picked.
        temperature: of the softmaxes.
        by_index: exclude the picked in the order of their indices, which the
            released drafts do, instead of from the largest down.
    """
    s = np.asarray(s, dtype=np.float64)
    picked = np.argsort(-s, axis=-1, kind="stable")[..., :k]
    if by_index:
        picked = np.sort(picked, axis=-1)
    left = s / temperature
    total = np.zeros_like(s)
    for j in range(k):
        p = np.exp(left - left.max(axis=-1, keepdims=True))
        total += p / p.sum(axis=-1, keepdims=True)
        np.put_along_axis(left, picked[..., j : j + 1], -np.inf, axis=-1)
    return total


def soft_gradient(
    s: np.ndarray, k: int, temperature: float, weights: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    """d sum(weights * soft) / d s, by central differences."""
    s = np.asarray(s, dtype=np.float64)
    slope = np.zeros_like(s)
    for i in range(s.shape[-1]):
        shift = np.zeros(s.shape[-1])
        shift[i] = step
        ends = (soft(s + d, k, temperature) for d in (shift, -shift))
        up, down = (np.sum(weights * end, axis=-1) for end in ends)
        slope[..., i] = (up - down) / (2.0 * step)
    return slope


def entropy(logits: np.ndarray) -> np.ndarray:
    """H(softmax(row)) in nats."""
    logits = np.asarray(logits, dtype=np.float64)
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return -np.sum(p * np.log(p), axis=-1)


def reshaped(rows: np.ndarray, kernel_shape: tuple[int, ...]) -> np.ndarray:
    """What the drafts do: (outputs, inputs) reshaped to a kernel's layout."""
    return rows.reshape(kernel_shape)
