"""How layers and operators treat the integers of what they read.

After TFLite's specification of 8-bit kernels: some operators give their output a
scale of its own, some have to keep their input's, some join several inputs under
one scale, and some have a scale that is fixed once and for all.
"""

from typing import Any

import keras
from keras import layers

from keras_diffmask.budget import BudgetController
from keras_diffmask.costs import WeightPenalty
from keras_diffmask.gate import Gate
from keras_diffmask.keras_internals import Call, operation_classes
from keras_diffmask.layers import STOCK_TO_MASKED, ChannelMask
from keras_diffmask.lowering.activations import name_of

#: Gives an output of its own scale; the default.
OWN = "own"
#: Hands on the very integers it reads, or some of them.
SAME = "same"
#: Computes with the integers it reads, and rounds on the same scale.
ROUNDED = "rounded"
#: One scale for all that is read and for what is written.
JOINED = "joined"
#: A scale that the specification gives.
FIXED = "fixed"
#: A recurrent layer: its scales come from calibration.
RECURRENT = "recurrent"
#: Not data: a gate.
NONE = "none"

#: Activation -> the range of its output: scale 1/256 or 1/128, 16/256.
FIXED_RANGES = {
    "softmax": (0.0, 255 / 256),
    "sigmoid": (0.0, 255 / 256),
    "tanh": (-1.0, 127 / 128),
    "log_softmax": (-255 / 16, 0.0),
}
#: Activations that become part of the kernel before them.
FUSED = ("linear", "relu", "relu6")

_SAME = (
    BudgetController,
    WeightPenalty,
    # Between a kernel and what follows it there is no operator: only a factor.
    ChannelMask,
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.AlphaDropout,
    layers.GaussianNoise,
    layers.GaussianDropout,
    layers.ActivityRegularization,
    layers.Identity,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.Flatten,
    layers.Reshape,
    layers.Permute,
    layers.RepeatVector,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Cropping3D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.ZeroPadding3D,
    layers.UpSampling1D,
    layers.UpSampling2D,
    layers.UpSampling3D,
    # A row of the table, whose integers are those of its quantizer.
    layers.Embedding,
    *operation_classes(
        "Reshape", "Transpose", "Squeeze", "ExpandDims", "GetItem", "Flip", "Pad",
        "Max", "Min", "MaxPool", "Split", "Take", "Copy", "StopGradient", "Repeat",
    ),
)  # fmt: skip
_ROUNDED = (
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    *operation_classes("AveragePool"),
)
_JOINED = (
    layers.Concatenate,
    layers.Maximum,
    layers.Minimum,
    *operation_classes("Concatenate", "Maximum", "Minimum", "Stack"),
)
_RECURRENT = (layers.RNN, layers.Bidirectional)
_FIXED_OPERATORS = {
    kind: name.lower()
    for name in ("Softmax", "Sigmoid", "Tanh")
    for kind in operation_classes(name)
}
_RELU = operation_classes("Relu", "Relu6")
#: Operators into which a ReLU behind them fuses, beside kernels. What multiplies and
#: adds per channel is one where it has no kernel before it.
_TAKE_RELU = (
    layers.BatchNormalization,
    layers.Normalization,
    layers.Rescaling,
    layers.Add,
    layers.Subtract,
    layers.Multiply,
    *operation_classes("Add", "Subtract", "Multiply"),
)


def kind_of(call: Call) -> str:
    """How a call treats integers: one of the names above."""
    operation = call.operation
    if isinstance(operation, Gate):
        return NONE
    if isinstance(operation, _RECURRENT):
        return RECURRENT
    if fixed_range(operation) is not None:
        return FIXED
    if isinstance(operation, _ROUNDED) or _is_bilinear(operation):
        return ROUNDED
    if isinstance(operation, _SAME):
        return SAME
    if isinstance(operation, _JOINED) and len(call.inputs) > 1:
        return JOINED
    return OWN


def masks_of(call: Call) -> list[Any]:
    """The masks on channels that a call takes."""
    given = call.arguments.kwargs.items()
    masks = keras.tree.flatten([value for name, value in given if "gate_mask" in name])
    return [mask for mask in masks if isinstance(mask, keras.KerasTensor)]


def fixed_range(operation: Any) -> tuple[float, float] | None:
    """The range of an activation that has a fixed one."""
    if isinstance(operation, layers.Softmax):
        return FIXED_RANGES["softmax"]
    name = _FIXED_OPERATORS.get(type(operation))
    if isinstance(operation, layers.Activation):
        name = activation_of(operation)
    return FIXED_RANGES.get(name or "")


def _is_bilinear(operation: Any) -> bool:
    return getattr(operation, "interpolation", "nearest") != "nearest"


def is_kernel(operation: Any) -> bool:
    """Whether it multiplies its input by weights that a quantizer rounds."""
    masked = masked_form(operation)
    is_table = isinstance(operation, layers.Embedding)
    recurs = isinstance(operation, _RECURRENT)
    return bool(getattr(masked, "quantized", {})) and not is_table and not recurs


def masked_form(operation: Any) -> Any:
    """The masked class of a layer that has one or is of one, else None."""
    if type(operation) in STOCK_TO_MASKED:
        return STOCK_TO_MASKED[type(operation)]
    return type(operation) if type(operation) in _MASKED else None


_MASKED = frozenset(STOCK_TO_MASKED.values())


def is_norm(operation: Any) -> bool:
    """Whether it is folded into a kernel before it."""
    return isinstance(operation, layers.BatchNormalization)


def takes_relu(operation: Any) -> bool:
    """Whether a ReLU behind it becomes part of it."""
    return isinstance(operation, _TAKE_RELU)


def is_relu(operation: Any) -> bool:
    """Whether it is a ReLU or ReLU6 by itself."""
    if isinstance(operation, layers.ReLU):
        plain = not operation.negative_slope and not operation.threshold
        return plain and operation.max_value in (None, 6, 6.0)
    if isinstance(operation, layers.Activation):
        return activation_of(operation) in FUSED
    return isinstance(operation, _RELU)


def activation_of(layer: Any) -> str:
    """Keras' name of a layer's activation; "" of a function of the user's."""
    return name_of(getattr(layer, "activation", None))


def is_float(tensor: Any) -> bool:
    """Whether a tensor holds reals, and not indices or truth values."""
    return "float" in keras.backend.standardize_dtype(tensor.dtype)
