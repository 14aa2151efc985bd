"""Differentiable masks in plain NumPy, float64: the reading that is documented.

Ramakrishnan et al. (arXiv:1909.04567) by its abstract, and US 12,039,448: a
scale multiplies what it masks, and closes it at or below a threshold.
"""

import numpy as np


def decide(a: np.ndarray, threshold: float, form: str = "scaled") -> np.ndarray:
    """a 1{|a| > t}, or 1{|a| > t}."""
    a = np.asarray(a, dtype=np.float64)
    is_open = (np.abs(a) > threshold).astype(np.float64)
    return is_open * a if form == "scaled" else is_open


def sign(a: np.ndarray) -> np.ndarray:
    """The derivative of |a|, at 0 that from above."""
    return np.where(np.asarray(a) < 0.0, -1.0, 1.0)


def gradient(
    a: np.ndarray, threshold: float, form: str = "scaled", width: float = 2.0
) -> np.ndarray:
    """What stands in for the derivative: 1, or a triangle around +-t."""
    a = np.asarray(a, dtype=np.float64)
    if form == "scaled":
        return np.ones_like(a)
    return sign(a) * np.maximum(0.0, 1.0 - np.abs(np.abs(a) - threshold) / width)
