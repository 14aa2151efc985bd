"""Derivatives to compare: by the backend's autodiff, and by differences."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def autodiff(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """Gradient of sum(function(x)) at `x`, by the backend in use."""
    x = np.asarray(x, dtype="float32")
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        point = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(point)
            total = keras.ops.sum(function(point))
        slope = tape.gradient(total, point)
        return np.zeros_like(x) if slope is None else slope.numpy()
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(lambda v: keras.ops.sum(function(v)))(x))
    import torch

    point = torch.tensor(x, requires_grad=True)
    keras.ops.sum(function(point)).backward()
    return np.zeros_like(x) if point.grad is None else point.grad.numpy()


def central_differences(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: float = 1e-6
) -> np.ndarray:
    """(f(x + h) - f(x - h)) / 2h of a function that acts entry by entry."""
    x = np.asarray(x, dtype=np.float64)
    return (function(x + step) - function(x - step)) / (2.0 * step)
