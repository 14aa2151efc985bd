"""The table: what each Keras layer becomes on the device.

`compiled` (fuse.py) then does what TensorFlow's converter does: a
BatchNormalization folds into its neighbour, a ReLU fuses into the layer before,
reshapes in a row merge. A layer without a row here counts as one operator with
outputs of its own and its weights at one byte (`recipes.other`). A new row is
one line; it wants a look at the file that the converter writes.
"""

from typing import Any

from keras import layers

from keras_diffmask.keras_internals import operation_classes
from keras_diffmask.lowering.activations import relu_layer
from keras_diffmask.lowering.attention import attention
from keras_diffmask.lowering.kernels import (
    convolution,
    dense,
    depthwise,
    einsum_dense,
    prelu,
    separable,
)
from keras_diffmask.lowering.recipes import (
    Recipe,
    activation,
    averaged,
    joined,
    normalized,
    own,
    padded,
    pool,
    rescaled,
    reshape,
    resized,
    standardized,
    summed,
    vanishes,
)
from keras_diffmask.lowering.recurrent import bidirectional, flip, recurrent
from keras_diffmask.lowering.statistics import (
    group_normalized,
    layer_normalized,
    rms_normalized,
)
from keras_diffmask.lowering.tables import embedding, reversible
from keras_diffmask.lowering.wrapped import time_distributed


def recipe_for(layer: Any) -> Recipe | None:
    """The row for a layer, by its class or the nearest above it; None: no row."""
    for kind in type(layer).__mro__:
        if kind in _BY_CLASS:
            return _BY_CLASS[kind]
    return None


TABLE: dict[type, Recipe] = {
    # Gone at inference.
    layers.Dropout: vanishes,
    layers.SpatialDropout1D: vanishes,
    layers.SpatialDropout2D: vanishes,
    layers.GaussianNoise: vanishes,
    layers.GaussianDropout: vanishes,
    layers.ActivityRegularization: vanishes,
    layers.Identity: vanishes,
    # Kernels. BatchNormalization folds into them, ReLU and ReLU6 fuse.
    layers.Conv1D: convolution("CONV_2D"),
    layers.Conv2D: convolution("CONV_2D"),
    layers.Conv1DTranspose: convolution("TRANSPOSE_CONV"),
    layers.Conv2DTranspose: convolution("TRANSPOSE_CONV"),
    layers.DepthwiseConv1D: depthwise,
    layers.DepthwiseConv2D: depthwise,
    layers.SeparableConv1D: separable,
    layers.SeparableConv2D: separable,
    layers.Dense: dense,
    layers.EinsumDense: einsum_dense,
    layers.Embedding: embedding,
    layers.ReversibleEmbedding: reversible,
    # One fused operator, or one after the other for each step.
    layers.RNN: recurrent,
    layers.Bidirectional: bidirectional,
    layers.TimeDistributed: time_distributed(recipe_for),
    # A layer of several products.
    layers.MultiHeadAttention: attention,
    # Normalizations.
    layers.BatchNormalization: normalized,
    layers.Rescaling: rescaled,
    layers.Normalization: standardized,
    layers.LayerNormalization: layer_normalized,
    layers.RMSNormalization: rms_normalized,
    layers.GroupNormalization: group_normalized,
    # Activations.
    layers.Activation: activation,
    layers.ReLU: relu_layer,
    layers.LeakyReLU: own("LEAKY_RELU"),
    layers.PReLU: prelu,
    layers.Softmax: own("SOFTMAX"),
    # An output of their own.
    layers.MaxPooling1D: pool("MAX_POOL_2D"),
    layers.MaxPooling2D: pool("MAX_POOL_2D"),
    layers.AveragePooling1D: pool("AVERAGE_POOL_2D"),
    layers.AveragePooling2D: pool("AVERAGE_POOL_2D"),
    layers.GlobalAveragePooling1D: own("MEAN"),
    layers.GlobalAveragePooling2D: own("MEAN"),
    layers.GlobalMaxPooling1D: own("REDUCE_MAX"),
    layers.GlobalMaxPooling2D: own("REDUCE_MAX"),
    layers.ZeroPadding1D: padded,
    layers.ZeroPadding2D: padded,
    layers.Cropping1D: own("STRIDED_SLICE"),
    layers.Cropping2D: own("STRIDED_SLICE"),
    layers.UpSampling2D: resized,
    layers.Permute: own("TRANSPOSE"),
    layers.Concatenate: own("CONCATENATION"),
    # A copy in TFLM; nothing where the shape stays.
    layers.Flatten: reshape,
    layers.Reshape: reshape,
    # Inputs that meet.
    layers.Add: summed,
    layers.Average: averaged,
    layers.Subtract: joined("SUB"),
    layers.Multiply: joined("MUL"),
    layers.Maximum: joined("MAXIMUM"),
    layers.Minimum: joined("MINIMUM"),
}

#: The same for operators, such as `x + y` and `ops.concatenate`.
OPERATORS: dict[str, Recipe] = {
    "Subtract": joined("SUB"),
    "Multiply": joined("MUL"),
    "Maximum": joined("MAXIMUM"),
    "Minimum": joined("MINIMUM"),
    "Concatenate": own("CONCATENATION"),
    "Relu": own("RELU"),
    "Relu6": own("RELU6"),
    "Sigmoid": own("LOGISTIC"),
    "Tanh": own("TANH"),
    "Softmax": own("SOFTMAX"),
    "Mean": own("MEAN"),
    "Reshape": reshape,
    "ExpandDims": reshape,
    "Squeeze": reshape,
    "Transpose": own("TRANSPOSE"),
    "GetItem": own("STRIDED_SLICE"),
    "Pad": own("PAD"),
    "Flip": flip,
}
_BY_CLASS = (
    TABLE
    | {
        kind: recipe
        for name, recipe in OPERATORS.items()
        for kind in operation_classes(name)
    }
    | {kind: summed for kind in operation_classes("Add")}
)
