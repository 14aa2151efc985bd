"""Trained thresholds in plain NumPy, float64, from the paper's formulas.

Manessi et al. (arXiv:1712.01721), with the paper's absolute sharpness alpha.
"""

import numpy as np

from tests.reference.hard_concrete import sigmoid


def shrink(w: np.ndarray, t: np.ndarray, alpha: float) -> np.ndarray:
    """T(w; t, alpha), the weight that takes the place of w."""
    w = np.asarray(w, np.float64)
    up = np.maximum(w - t, 0.0) + t * sigmoid(alpha * (w - t))
    down = np.maximum(-w - t, 0.0) + t * sigmoid(alpha * (-w - t))
    return up - down


def _slope(x: np.ndarray) -> np.ndarray:
    return sigmoid(x) * (1.0 - sigmoid(x))


def weight_slope(w: np.ndarray, t: float, alpha: float) -> np.ndarray:
    """dT/dw, away from the kink at |w| = t."""
    q_up, q_down = _slope(alpha * (w - t)), _slope(alpha * (-w - t))
    return (w > t) + (w < -t) + alpha * t * (q_up + q_down)


def threshold_slope(w: np.ndarray, t: float, alpha: float) -> np.ndarray:
    """dT/dt at a fixed alpha, away from the kink."""
    q_up, q_down = _slope(alpha * (w - t)), _slope(alpha * (-w - t))
    steps = sigmoid(alpha * (w - t)) - sigmoid(alpha * (-w - t))
    return (w < -t) * 1.0 - (w > t) + steps - alpha * t * (q_up - q_down)


def relative_threshold_slope(w: np.ndarray, t: float, alpha: float) -> np.ndarray:
    """dT/dt where alpha = A / t goes along: dalpha/dt = -alpha / t."""
    q_up, q_down = _slope(alpha * (w - t)), _slope(alpha * (-w - t))
    by_alpha = t * (w - t) * q_up - t * (-w - t) * q_down
    return threshold_slope(w, t, alpha) - by_alpha * alpha / t


def decide(w: np.ndarray, t: float) -> np.ndarray:
    """Inference: strictly above the threshold survives."""
    return (np.abs(w) > t).astype(np.float64)
