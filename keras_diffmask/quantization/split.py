"""Split: a layer of its own for each operator, so that each ends in a learned range."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_diffmask import rebuild
from keras_diffmask.keras_internals import Call
from keras_diffmask.quantization import kinds

_SEPARABLE = {
    keras.layers.SeparableConv1D: (
        keras.layers.DepthwiseConv1D,
        keras.layers.Conv1D,
    ),
    keras.layers.SeparableConv2D: (
        keras.layers.DepthwiseConv2D,
        keras.layers.Conv2D,
    ),
}
#: What the configurations of the two convolutions take of the whole's.
_OF_BOTH = ("data_format", "trainable", "dtype")
_OF_DEPTHWISE = (
    "kernel_size",
    "strides",
    "padding",
    "dilation_rate",
    "depth_multiplier",
)
_OF_POINTWISE = ("name", "filters", "use_bias", "activation", "activity_regularizer")
_OF_A_WEIGHT = ("initializer", "regularizer", "constraint")
#: A layer, and its weights as arrays.
Part = tuple[Any, list[np.ndarray]]


class Split(NamedTuple):
    """A model, and what some of its layers are parts of.

    Args:
        model: the model.
        origins: name of a layer -> the layer that it is a part of.
    """

    model: keras.Model
    origins: dict[str, Any]


def split_operators(model: keras.Model) -> Split:
    """The model with layers of their own for what the device has operators for.

    A separable convolution is two of them. A ReLU is part of the kernel's operator;
    a softmax, say, reads integers, so that what it reads has a range.

    Args:
        model: a Functional model without masks. It is not changed.

    Returns:
        A model of the same function, whose kernels bear the names that they had; the
        same object where there is nothing to split.
    """
    if not any(_is_several(layer) for layer in model.layers):
        return Split(model, {})
    rebuilder = rebuild.Rebuilder(model, rebuild.clone, rebuild.arrays)
    made: dict[int, list[Part]] = {}
    origins: dict[str, Any] = {}

    def perform(call: Call, args: tuple, kwargs: dict) -> Any:
        layer = call.operation
        if not _is_several(layer):
            return rebuilder.call(layer, args, kwargs)
        is_new = id(layer) not in made
        if is_new:
            made[id(layer)] = _parts(layer, rebuilder)
            origins.update((part.name, layer) for part, _ in made[id(layer)])
        for part, weights in made[id(layer)]:
            args, kwargs = (part(*args, **kwargs),), {}
            if is_new and weights:
                rebuild.assign(part, weights)
        return args[0]

    return Split(rebuilder.run(perform), origins)


def _is_several(layer: Any) -> bool:
    return type(layer) in _SEPARABLE or _has_own_activation(layer)


def _has_own_activation(layer: Any) -> bool:
    return kinds.is_kernel(layer) and kinds.activation_of(layer) not in kinds.FUSED


def _parts(layer: Any, rebuilder: rebuild.Rebuilder) -> list[Part]:
    """The layers that one becomes, in the order of their calls."""
    parts: list[Part] = []
    kernel, weights = layer, rebuild.arrays(layer)
    if type(layer) in _SEPARABLE:
        name = rebuilder.free_name(f"{layer.name}_depthwise")
        depthwise, kernel = _two_convolutions(layer, name)
        parts.append((depthwise, weights[:1]))
        weights = weights[1:]
    if not _has_own_activation(layer):
        return [*parts, (rebuild.clone(kernel), weights)]
    activation = keras.layers.Activation(
        layer.activation,
        name=rebuilder.free_name(f"{layer.name}_activation"),
        dtype=layer.dtype_policy,
    )
    return [*parts, (rebuild.clone(kernel, activation=None), weights), (activation, [])]


def _two_convolutions(layer: Any, name: str) -> tuple[Any, Any]:
    """One per channel, and one of size 1, which bears the layer's name."""
    config = layer.get_config()

    def of_a_weight(ours: str, theirs: str) -> dict[str, Any]:
        pairs = ((f"{ours}_{one}", f"{theirs}_{one}") for one in _OF_A_WEIGHT)
        return {new: config[old] for new, old in pairs}

    def of_both(*more: str) -> dict[str, Any]:
        return {key: config[key] for key in (*_OF_BOTH, *more)}

    depthwise_class, pointwise_class = _SEPARABLE[type(layer)]
    depthwise = depthwise_class.from_config(
        {
            **of_both(*_OF_DEPTHWISE),
            **of_a_weight("depthwise", "depthwise"),
            "use_bias": False,
            "name": name,
        }
    )
    pointwise = pointwise_class.from_config(
        {
            **of_both(*_OF_POINTWISE),
            **of_a_weight("kernel", "pointwise"),
            **of_a_weight("bias", "bias"),
            "kernel_size": 1,
        }
    )
    return depthwise, pointwise
