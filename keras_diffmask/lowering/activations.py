"""How activation functions become operators."""

from typing import Any

import keras

from keras_diffmask.graph import Step, Term
from keras_diffmask.lowering.builder import Builder

#: Function -> its one operator. RELU and RELU6 fuse into most layers.
_ONE = {
    "relu": "RELU",
    "relu6": "RELU6",
    "sigmoid": "LOGISTIC",
    "tanh": "TANH",
    "softmax": "SOFTMAX",
    "log_softmax": "LOG_SOFTMAX",
    "leaky_relu": "LEAKY_RELU",
    "hard_silu": "HARD_SWISH",
    "hard_swish": "HARD_SWISH",
    "gelu": "GELU",
    "exponential": "EXP",
}
#: Those without an integer kernel: in float, between two conversions.
_FLOAT = ("elu", "selu", "softplus", "softsign", "mish", "celu")


def activate(build: Builder, step: Step, tensor: int, activation: Any) -> int:
    """Write a layer's activation behind `tensor`; returns what comes out."""
    name = name_of(activation)
    if name == "linear":
        return tensor
    if name in ("silu", "swish"):
        gate = build.emit(step, "LOGISTIC", tensor, build.like(tensor))
        return build.emit(step, "MUL", (tensor, gate), build.like(tensor))
    if name == "hard_sigmoid":
        # relu6(x + 3) / 6: the offset goes into the bias of what is before.
        clipped = build.emit(step, "RELU6", tensor, build.like(tensor))
        sixth = build.weight(step, "sixth", Term(1.0))
        out = build.like(tensor)
        return build.emit(step, "MUL", clipped, out, weights=(sixth,))
    if name in _FLOAT:
        real = build.emit(step, "DEQUANTIZE", tensor, build.like(tensor, 4))
        real = build.emit(step, "ELU", real, build.like(tensor, 4))
        return build.emit(step, "QUANTIZE", real, build.like(tensor))
    return build.emit(step, _ONE.get(name, "OTHER"), tensor, build.like(tensor))


def name_of(activation: Any) -> str:
    """Keras' name of an activation function; "" of a function of the user's."""
    if activation is None:
        return "linear"
    if isinstance(activation, keras.layers.Layer):
        return ""
    name = getattr(activation, "__name__", "")
    return name if getattr(keras.activations, name, None) is activation else ""


def relu_layer(build: Builder, step: Step) -> list[int]:
    """A ReLU layer: with a slope, LEAKY_RELU."""
    layer = step.layer
    kind = "RELU6" if layer.max_value == 6 else "RELU"
    kind = "LEAKY_RELU" if layer.negative_slope else kind
    (tensor,) = build.inputs(step)
    return [build.emit(step, kind, tensor, build.like(tensor))]
