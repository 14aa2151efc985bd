"""Straight-through gates in plain NumPy, from the text of their papers.

Forward values, and the surrogate that stands in for the step's derivative.
"""

from collections.abc import Callable

import numpy as np

from tests.reference.hard_concrete import sigmoid


def decide(logits: np.ndarray) -> np.ndarray:
    """Open where the logit is positive: 0 itself is closed."""
    return (np.asarray(logits) > 0.0).astype(np.float64)


def sample(logits: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Bernoulli with probability sigmoid(logit), from uniform noise."""
    return (np.asarray(u, dtype=np.float64) < sigmoid(logits)).astype(np.float64)


def _sigmoid_slope(a: np.ndarray) -> np.ndarray:
    return sigmoid(a) * (1.0 - sigmoid(a))


def _piecewise(a: np.ndarray) -> np.ndarray:
    """Dynamic sparse training: 2 - 4|a| up to 0.4, 0.4 up to 1, 0 beyond."""
    size = np.abs(a)
    return np.where(size < 0.4, 2.0 - 4.0 * size, np.where(size < 1.0, 0.4, 0.0))


#: Surrogate -> its gradient at each logit.
GRADIENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": _sigmoid_slope,
    "identity": np.ones_like,
    "clipped_identity": lambda a: (np.abs(a) < 1.0).astype(np.float64),
    "triangle": lambda a: np.maximum(0.0, 1.0 - np.abs(a)),
    "piecewise": _piecewise,
}

#: Surrogate -> logits at which its gradient jumps (a subgradient is free there).
JUMPS: dict[str, tuple[float, ...]] = {
    "clipped_identity": (-1.0, 1.0),
    "piecewise": (-1.0, 1.0),
}
