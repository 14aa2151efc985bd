"""What of a model a device can't run, said before anything is converted.

One table: a kind of layer, activation or operator, the operators it leads to that
some device or some quantization lacks, and what to use instead. A kind that is not
in it runs everywhere; what is written is checked again all the same.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One kind.

    Args:
        ops: those of its operators that not everything runs. "tf.Name" is one
            of TensorFlow's for which TFLite has none.
        instead: what to use, as a sentence.
        on_tflm: what TFLM lacks of an operator that it has.
    """

    ops: tuple[str, ...]
    instead: str
    on_tflm: str = ""


def _row(ops: str, instead: str, on_tflm: str = "") -> Row:
    return Row(tuple(ops.split()), instead, on_tflm)


_FOLDED = "Use BatchNormalization, which folds into the layer before it."
_FLAT = "Use 2-D layers, with the third axis among the channels."
_RELU = "Use 'relu', 'relu6', 'leaky_relu' or 'silu'."
_TABLE = "Use an activation of the kinds relu, tanh or sigmoid there."
_OUTSIDE = "Compute it outside of the model."
_COPIES = "Use Concatenate with the tensor given several times."
_REORDER = "Reshape to fewer axes before it, in several steps if need be."
_PRODUCT = "Write x * x instead."

ROWS: dict[str, Row] = {
    # Layers.
    "LayerNormalization": _row("NEG SQUARED_DIFFERENCE", _FOLDED),
    "RMSNormalization": _row("SQUARE", _FOLDED),
    "GroupNormalization": _row("NEG SQUARE", _FOLDED),
    "UnitNormalization": _row("SQUARE", _OUTSIDE),
    "RepeatVector": _row("TILE", _COPIES),
    "UpSampling1D": _row("TILE", "Use Conv1DTranspose."),
    "UpSampling2D:nearest": _row(
        "TILE", "Use UpSampling2D(interpolation='bilinear') or Conv2DTranspose."
    ),
    "UpSampling2D:bilinear": _row("RESIZE_BILINEAR", "Use Conv2DTranspose."),
    "UpSampling2D:bicubic": _row("tf.ResizeBicubic", "Use interpolation='bilinear'."),
    "Resizing:bilinear": _row("RESIZE_BILINEAR", "Resize outside of the model."),
    "Resizing:bicubic": _row("tf.ResizeBicubic", "Use interpolation='bilinear'."),
    "UpSampling3D": _row("TILE", _FLAT),
    "Cropping3D": _row("", _FLAT, "slices tensors of at most 4 axes"),
    "Permute:6 axes": _row("", _REORDER, "transposes tensors of at most 5 axes"),
    "Conv3D": _row("CONV_3D", _FLAT),
    "Conv3DTranspose": _row("CONV_3D_TRANSPOSE", _FLAT),
    "MaxPooling3D": _row("tf.MaxPool3D", _FLAT),
    "AveragePooling3D": _row("tf.AvgPool3D", _FLAT),
    "GlobalMaxPooling1D": _row("REDUCE_MAX", "Use GlobalAveragePooling1D."),
    "GlobalMaxPooling2D": _row("REDUCE_MAX", "Use GlobalAveragePooling2D."),
    "GlobalMaxPooling3D": _row("REDUCE_MAX", "Use GlobalAveragePooling3D."),
    "AdaptiveAveragePooling1D": _row("GATHER", "Use AveragePooling1D."),
    "AdaptiveAveragePooling2D": _row("GATHER", "Use AveragePooling2D."),
    "AdaptiveMaxPooling1D": _row("GATHER", "Use MaxPooling1D."),
    "AdaptiveMaxPooling2D": _row("GATHER", "Use MaxPooling2D."),
    "ReLU:max_value": _row("MINIMUM", "Use max_value=6, or none."),
    "ReLU:negative_slope": _row("LEAKY_RELU", "Use ReLU without negative_slope."),
    "LeakyReLU": _row("LEAKY_RELU", "Use ReLU."),
    "Minimum": _row("MINIMUM", "Use Maximum of what is negated."),
    "PReLU": _row("PRELU", "Use LeakyReLU."),
    "ELU": _row("ELU", "Use ReLU or LeakyReLU."),
    "GroupedQueryAttention": _row("TILE", "Use MultiHeadAttention."),
    "Embedding": _row("GATHER", "Use quantization='int8'."),
    "ReversibleEmbedding": _row(
        "GATHER SELECT", "Use Embedding, and Dense for the way back."
    ),
    "CategoryEncoding:multi_hot": _row("tf.DenseBincount", _OUTSIDE),
    "CategoryEncoding:count": _row("tf.DenseBincount", _OUTSIDE),
    "Discretization": _row("BUCKETIZE", _OUTSIDE),
    # Activations, as `activation=`, in an Activation layer or as an operator.
    "activation:celu": _row("EXP", _RELU),
    "activation:elu": _row("ELU", _RELU),
    "activation:exponential": _row("EXP", _TABLE),
    "activation:gelu": _row("GELU", _RELU),
    "activation:hard_shrink": _row("GREATER", _RELU),
    "activation:hard_silu": _row("HARD_SWISH", "Use 'silu' or 'relu6'."),
    "activation:leaky_relu": _row("LEAKY_RELU", "Use 'relu' or 'relu6'."),
    "activation:log_sigmoid": _row("NEG EXP LOG", _TABLE),
    "activation:log_softmax": _row("LOG_SOFTMAX", "Use 'softmax', or logits."),
    "activation:mish": _row("EXP LOG", _RELU),
    "activation:selu": _row("GREATER EXP SELECT", _RELU),
    "activation:soft_shrink": _row("GREATER SELECT", _RELU),
    "activation:softplus": _row("EXP LOG", _RELU),
    "activation:softsign": _row("ABS DIV", "Use 'tanh'."),
    "activation:sparse_plus": _row("LESS SELECT", _RELU),
    "activation:sparsemax": _row("TOPK_V2 CUMSUM CAST", "Use 'softmax'."),
    "activation:squareplus": _row("SQUARE SQRT", _RELU),
    # Operators between layers.
    "Absolute": _row("ABS", "Use Maximum of it and its negative."),
    "Argmax": _row("tf.BitwiseAnd", "Take the largest output outside of the model."),
    "Cast": _row("CAST", "Give the model an Input of that dtype."),
    "Ceil": _row("CEIL", _OUTSIDE),
    "Clip": _row("MINIMUM", "Use relu6, scaled."),
    "Cos": _row("COS", _OUTSIDE),
    "Cumsum": _row("CUMSUM", "Use Dense with a triangle of ones as its kernel."),
    "Divide": _row("DIV", "Multiply, if it is by a constant."),
    "TrueDivide": _row("DIV", "Multiply, if it is by a constant."),
    "Erf": _row("tf.Erf", "Use tanh."),
    "Exp": _row("EXP", _TABLE),
    "GetItem:5 axes": _row("", _FLAT, "slices tensors of at most 4 axes"),
    "Transpose:6 axes": _row("", _REORDER, "transposes tensors of at most 5 axes"),
    "Flip": _row("REVERSE_V2", _OUTSIDE),
    "Floor": _row("FLOOR", _OUTSIDE),
    "Log": _row("LOG", _OUTSIDE),
    "Max": _row("REDUCE_MAX", "Use a mean, or MaxPooling."),
    "Min": _row("REDUCE_MIN", "Use a mean, or MaxPooling of what is subtracted."),
    "Negative": _row("NEG", "Write x * -1.0, or Subtract where it is added."),
    "Norm": _row("SQRT", _OUTSIDE),
    "Power": _row("POW", _PRODUCT),
    "Prod": _row("REDUCE_PROD", "Use Multiply."),
    "Repeat": _row("TILE", _COPIES),
    "Round": _row("ROUND", _OUTSIDE),
    "Sign": _row("SIGN", "Use tanh of a multiple."),
    "Sin": _row("SIN", _OUTSIDE),
    "Sqrt": _row("SQRT", _OUTSIDE),
    "Square": _row("SQUARE", _PRODUCT),
    "Take": _row("GATHER", "Use a slice, or Dense with a kernel of zeros and ones."),
    "Tile": _row("TILE", _COPIES),
    "TopK": _row("TOPK_V2", "Take the largest outputs outside of the model."),
    "Var": _row("SQUARED_DIFFERENCE", _OUTSIDE),
    "Where": _row("GREATER SELECT", "Use Maximum, Minimum or Multiply."),
    "fused LSTM": _row(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "Use quantization='int8', or a GRU, which is written step by step.",
    ),
}
