"""Relaxed Bernoulli gates in plain NumPy, float64, from the papers' formulas.

Maddison et al. (arXiv:1611.00712), Jang et al. (arXiv:1611.01144).
"""

import numpy as np

from tests.reference.hard_concrete import sigmoid


def soft(logits: np.ndarray, u: np.ndarray, temperature: float) -> np.ndarray:
    """Binary concrete: sigmoid((logit + logistic noise) / temperature)."""
    u = np.asarray(u, dtype=np.float64)
    return sigmoid((np.asarray(logits) + np.log(u) - np.log(1.0 - u)) / temperature)


def soft_by_two_classes(
    logits: np.ndarray, u: np.ndarray, v: np.ndarray, temperature: float
) -> np.ndarray:
    """Gumbel-softmax over open and closed, with P(open) = sigmoid(logit)."""
    keep = sigmoid(logits)
    scores = np.stack(
        [
            (np.log(keep) - np.log(-np.log(u))) / temperature,
            (np.log(1.0 - keep) - np.log(-np.log(v))) / temperature,
        ]
    )
    scores = np.exp(scores - scores.max(axis=0))
    return scores[0] / scores.sum(axis=0)


def hard(logits: np.ndarray, u: np.ndarray, temperature: float) -> np.ndarray:
    """1 where the soft sample is above a half."""
    return (soft(logits, u, temperature) > 0.5).astype(np.float64)


def gradient(logits: np.ndarray, u: np.ndarray, temperature: float) -> np.ndarray:
    """d soft / d logit, which stands in for that of the hard sample as well."""
    s = soft(logits, u, temperature)
    return s * (1.0 - s) / temperature


def decide(logits: np.ndarray) -> np.ndarray:
    """Open where the logit is positive: 0 itself is closed."""
    return (np.asarray(logits) > 0.0).astype(np.float64)
