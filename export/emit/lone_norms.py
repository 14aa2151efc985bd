"""A factor and an offset per channel, as one operator that has learned ranges.

The converter writes a normalization that folds into no kernel as a MUL and an ADD,
and for what lies between the two no range was learned. A depthwise convolution of
one weight per channel is the same function, and exact on integers: each weight is
the largest of its scale.
"""

import math
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.keras_internals import Call
from keras_diffmask.layers import FakeQuantize
from keras_diffmask.quantization import kinds


def norms_as_kernels(model: keras.Model) -> keras.Model:
    """The model with depthwise convolutions for what the converter would not fold.

    Args:
        model: stock layers and `FakeQuantize` layers. It is not changed.

    Returns:
        A model of the same function; the same object where there is nothing to do.
    """
    calls = list(keras_internals.calls(model))
    makers = {id(tensor): call for call in calls for tensor in call.outputs}
    lone = {
        id(call.outputs[0])
        for call in calls
        if _can_be_a_kernel(call) and _reads_integers(call, makers)
    }
    if not lone:
        return model
    rebuilder = rebuild.Rebuilder(model, rebuild.clone, rebuild.arrays)
    folded = {id(c.operation) for c in calls if id(c.outputs[0]) not in lone}
    kernels: dict[int, Any] = {}

    def perform(call: Call, args: tuple, kwargs: dict) -> Any:
        norm = call.operation
        if id(call.outputs[0]) not in lone:
            return rebuilder.call(norm, args, kwargs)
        is_shared = id(norm) in folded
        name = rebuilder.free_name(norm.name) if is_shared else norm.name
        return _as_kernel(norm, args[0], kernels, name)

    return rebuilder.run(perform)


def _can_be_a_kernel(call: Call) -> bool:
    output = call.outputs[0]
    return len(output.shape) > 1 and _affine(call.operation, output) is not None


def _reads_integers(call: Call, makers: dict[int, Call]) -> bool:
    """Whether it reads a tensor of a learned range, moved about at most."""
    before = makers.get(id(call.inputs[0]))
    while before is not None and not isinstance(before.operation, FakeQuantize):
        if kinds.kind_of(before) != kinds.SAME:
            return False
        before = makers.get(id(before.inputs[0]))
    return before is not None


def _as_kernel(norm: Any, inputs: Any, kernels: dict[int, Any], name: str) -> Any:
    """The call of a normalization by a convolution, of an image if need be."""
    *_, channels = sizes = tuple(inputs.shape[1:])
    is_new = id(norm) not in kernels
    if is_new:
        kernels[id(norm)] = keras.layers.DepthwiseConv2D(
            1, name=name, dtype=norm.dtype_policy
        )
    kernel = kernels[id(norm)]
    image = inputs
    if len(sizes) != 3:
        rows = sizes[:-2] if len(sizes) > 3 else ()
        columns = sizes[-2] if len(sizes) > 1 else 1
        columns = -1 if columns is None else columns
        target = (math.prod(rows), columns, channels)
        image = keras.layers.Reshape(target)(inputs)
    outputs = kernel(image)
    if is_new:
        factor, shift = (np.broadcast_to(x, channels) for x in _affine(norm, inputs))
        kernel.set_weights([factor.reshape(kernel.kernel.shape), shift])
    if len(sizes) != 3:
        outputs = keras.layers.Reshape([-1 if n is None else n for n in sizes])(outputs)
    return outputs


def _affine(layer: Any, tensor: Any) -> Any:
    """Factor and offset of a layer, one for all channels or one for each; or None."""
    last = len(tensor.shape) - 1
    if kinds.is_norm(layer) and layer.axis in (-1, last):
        deviation = np.sqrt(_exact(layer.moving_variance, 1.0) + layer.epsilon)
        factor = _exact(layer.gamma, 1.0) / deviation
        shift = _exact(layer.beta, 0.0) - factor * _exact(layer.moving_mean, 0.0)
    elif isinstance(layer, keras.layers.Rescaling) and np.any(layer.offset):
        factor, shift = _exact(layer.scale, 1.0), _exact(layer.offset, 0.0)
    elif isinstance(layer, keras.layers.Normalization):
        deviation = np.sqrt(_exact(layer.variance, 1.0))
        deviation = np.maximum(deviation, keras.backend.epsilon())
        factor = deviation if layer.invert else 1 / deviation
        mean = _exact(layer.mean, 0.0)
        shift = mean if layer.invert else -mean * factor
    else:
        return None
    pair = [_per_channel(one) for one in (factor, shift)]
    return None if any(one is None for one in pair) else pair


def _exact(value: Any, default: float) -> np.ndarray:
    value = default if value is None else keras.ops.convert_to_numpy(value)
    return np.asarray(value, np.float64)


def _per_channel(value: np.ndarray) -> np.ndarray | None:
    """One value for all or one per channel; None where it has other axes too."""
    return value.reshape(-1) if value.size in (1, *value.shape[-1:]) else None
