"""Hard concrete gates in plain NumPy, float64, from the paper's formulas.

Louizos, Welling and Kingma (arXiv:1712.01312). Written from the text, never
from the library: the two are compared.
"""

import numpy as np

BETA, GAMMA, ZETA = 2.0 / 3.0, -0.1, 1.1


def sigmoid(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    return np.where(
        x >= 0, 1.0 / (1.0 + np.exp(-np.abs(x))), 1.0 - 1.0 / (1.0 + np.exp(-np.abs(x)))
    )


def sample(
    log_alpha: np.ndarray,
    u: np.ndarray,
    beta: float = BETA,
    gamma: float = GAMMA,
    zeta: float = ZETA,
) -> np.ndarray:
    """Equations 10 and 11: stretch a binary concrete variable, clip it to [0, 1]."""
    u = np.asarray(u, dtype=np.float64)
    s = sigmoid((np.log(u) - np.log(1.0 - u) + log_alpha) / beta)
    return np.clip(s * (zeta - gamma) + gamma, 0.0, 1.0)


def sample_gradient(
    log_alpha: np.ndarray,
    u: np.ndarray,
    beta: float = BETA,
    gamma: float = GAMMA,
    zeta: float = ZETA,
) -> np.ndarray:
    """d sample / d log_alpha, by the chain rule; 0 where the clip saturates."""
    u = np.asarray(u, dtype=np.float64)
    s = sigmoid((np.log(u) - np.log(1.0 - u) + log_alpha) / beta)
    stretched = s * (zeta - gamma) + gamma
    inside = (stretched > 0.0) & (stretched < 1.0)
    return inside * (zeta - gamma) * s * (1.0 - s) / beta


def keep_probability(
    log_alpha: np.ndarray,
    beta: float = BETA,
    gamma: float = GAMMA,
    zeta: float = ZETA,
) -> np.ndarray:
    """Equation 12: P(mask != 0)."""
    return sigmoid(np.asarray(log_alpha) - beta * np.log(-gamma / zeta))


def full_probability(
    log_alpha: np.ndarray,
    beta: float = BETA,
    gamma: float = GAMMA,
    zeta: float = ZETA,
) -> np.ndarray:
    """P(mask = 1): the stretched variable is at least 1 where
    s >= (1 - gamma) / (zeta - gamma), and P(s <= x) = sigmoid(beta logit(x) - a).
    """
    x = (1.0 - gamma) / (zeta - gamma)
    return 1.0 - sigmoid(beta * np.log(x / (1.0 - x)) - np.asarray(log_alpha))


def decide(
    log_alpha: np.ndarray,
    rule: str = "mean",
    beta: float = BETA,
    gamma: float = GAMMA,
    zeta: float = ZETA,
) -> np.ndarray:
    """Inference: equation 13 ("mean", no beta), or the median of the sample."""
    if rule == "median":
        return sample(log_alpha, np.full(np.shape(log_alpha), 0.5), beta, gamma, zeta)
    return np.clip(sigmoid(log_alpha) * (zeta - gamma) + gamma, 0.0, 1.0)
