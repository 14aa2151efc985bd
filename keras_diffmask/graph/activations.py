"""What an activation does to one channel's constant."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import precision

_ELEMENTWISE = {
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid",
    "hard_silu", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh",
    "tanh_shrink", "threshold",
}  # fmt: skip


def is_elementwise(activation: Callable[[Any], Any] | None) -> bool:
    """Whether each output channel depends on its own input channel alone.

    Known by name: a function that nobody listed is taken to mix channels, as
    softmax does, and its channels stay.
    """
    if activation is None:
        return True
    name = getattr(activation, "__name__", None)
    known = name in _ELEMENTWISE and activation is keras.activations.get(name)
    return known or isinstance(activation, ELEMENTWISE_LAYERS)


#: Layers that are an elementwise function with no weights, at inference.
ELEMENTWISE_LAYERS = (
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
)


def apply(activation: Callable[[Any], Any] | None, values: np.ndarray) -> np.ndarray:
    """The activation of constants; NaN (varies) stays NaN."""
    if activation is None:
        return values
    varies = np.isnan(values)
    inputs = precision.finest(np.where(varies, 0.0, values))
    outputs = np.asarray(ops.convert_to_numpy(activation(inputs)), np.float64)
    return np.where(varies, np.nan, outputs)


def is_zero_at_zero(activation: Callable[[Any], Any] | None) -> bool:
    """Whether a channel at exactly 0 is still 0 behind the activation."""
    return bool(np.all(apply(activation, np.zeros(2)) == 0.0))
