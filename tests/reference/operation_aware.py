"""Operation-aware channel masks in plain NumPy, float64, from the paper's formulas.

Kang and Han (arXiv:2007.03938), one channel at a time.
"""

import math

import numpy as np

from tests.reference.hard_concrete import sigmoid

THRESHOLD, SHARPNESS, CUTOFF, TEMPERATURE, FLOOR = 0.05, 20.0, 0.95, 0.5, 1e-3


def cdf(gamma: np.ndarray, beta: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """P(Normal(beta, gamma^2) < threshold): how often a ReLU is (almost) off."""
    gamma, beta = (np.asarray(v, np.float64) for v in (gamma, beta))
    z = (THRESHOLD - beta) / np.maximum(np.abs(gamma), floor)
    return np.array([0.5 * math.erfc(-v / math.sqrt(2.0)) for v in z.reshape(-1)])


def p_drop(gamma: np.ndarray, beta: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    return sigmoid(SHARPNESS * (cdf(gamma, beta, floor) - CUTOFF))


def sample(gamma: np.ndarray, beta: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The kept component of a relaxed choice between keeping and dropping."""
    keep = 1.0 - p_drop(gamma, beta)
    logit = np.log(keep) - np.log1p(-keep)
    return sigmoid((logit + np.log(u) - np.log(1.0 - u)) / TEMPERATURE)


def decide(gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Inference: the likelier of the two, which is to keep iff cdf <= cutoff."""
    return (cdf(gamma, beta) <= CUTOFF).astype(np.float64)


def stays(gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """The same in closed form: the 95 % quantile reaches the threshold."""
    deviation = np.maximum(np.abs(np.asarray(gamma, np.float64)), FLOOR)
    return beta + 1.6448536269514722 * deviation >= THRESHOLD


def penalty(
    gamma: np.ndarray, beta: np.ndarray, deviations: float, floor: float
) -> float:
    return float(np.maximum(beta + deviations * np.abs(gamma), floor).sum())
