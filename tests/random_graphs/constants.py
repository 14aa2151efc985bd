"""Constants: channels that weights have made constant, in a model without masks."""

from typing import Any

import keras
import numpy as np

from keras_diffmask.keras_internals import flatten_layers
from tests.laws import alive

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_GATES = {
    keras.layers.LSTMCell: 4,
    keras.layers.GRUCell: 3,
    keras.layers.SimpleRNNCell: 1,
}


def leave_constants(model: keras.Model, seed: int) -> None:
    """Zero what some channels are computed with, and keep what is added to them.

    A convolution's channel is its bias then, a normalization's is its beta:
    constants other than 0, that run into everything there is.
    """
    rng = np.random.default_rng(seed)
    for layer in flatten_layers(model):
        for variable, axis, gates in _targets(layer):
            value = alive.array(variable).copy()
            units = value.shape[axis] // gates
            gone = np.tile(rng.random(units) < 0.4, gates)
            np.moveaxis(value, axis, 0)[gone] = 0
            variable.assign(value)


def _targets(layer: Any) -> list[tuple[Any, int, int]]:
    """Weights to zero: each with its axis of units, and the gates along it."""
    if type(layer) in _GATES:
        gates = _GATES[type(layer)]
        weights = [layer.kernel, layer.recurrent_kernel]
        weights += [layer.bias] if layer.use_bias and gates > 1 else []
        return [(weight, -1, gates) for weight in weights]
    if isinstance(layer, keras.layers.Embedding):
        return [(layer.embeddings, -1, 1)]
    if getattr(layer, "gamma", None) is not None:
        return [(layer.gamma, -1, 1)]
    if isinstance(layer, _TRANSPOSED):
        return [(layer.kernel, -2, 1)]
    if isinstance(layer, keras.layers.Dense) and layer.name.startswith("head"):
        return []
    for name in ("pointwise_kernel", "kernel"):
        kernel = getattr(layer, name, None)
        if kernel is not None and not isinstance(layer, keras.layers.RNN):
            return [(kernel, -1, 1)]
    return []
