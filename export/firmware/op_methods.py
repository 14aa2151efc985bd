"""What TFLM's MicroMutableOpResolver calls each built-in operator."""

from collections.abc import Sequence

from keras_diffmask.errors import ArtifactError

# Most follow from the operator's name; these do not.
_IRREGULAR = {
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "CONV_2D": "AddConv2D",
    "CUMSUM": "AddCumSum",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "L2_POOL_2D": "AddL2Pool2D",
    "MAX_POOL_2D": "AddMaxPool2D",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
# `ARG_MAX` is added by `AddArgMax`, and so on.
_REGULAR = """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE BATCH_TO_SPACE_ND BROADCAST_ARGS
    BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION COS DEPTH_TO_SPACE DEQUANTIZE DIV
    DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR
    FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL
    HARD_SWISH IF L2_NORMALIZATION LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND
    LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MEAN MINIMUM MIRROR_PAD MUL
    NEG NOT_EQUAL PACK PAD PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX
    REDUCE_MIN RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2
    ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH
    SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF
    TANH TRANSPOSE TRANSPOSE_CONV UNPACK VAR_HANDLE WHILE ZEROS_LIKE
""".split()


def _camel(op: str) -> str:
    return "Add" + "".join(word.capitalize() for word in op.split("_"))


#: TFLite's name of an operator -> the resolver's method that adds its kernel.
OP_METHODS = dict(sorted({op: _camel(op) for op in _REGULAR}.items())) | _IRREGULAR

# Their state lives outside of the interpreter, in an object of its own.
_RESOURCES = ("ASSIGN_VARIABLE", "CALL_ONCE", "READ_VARIABLE", "VAR_HANDLE")


def methods(ops: Sequence[str]) -> tuple[str, ...]:
    """The calls that add exactly the operators of a model.

    Args:
        ops: operator names, in any order and more than once.

    Returns:
        Names of methods, each once, in alphabetical order.

    Raises:
        ArtifactError: TFLM has no kernel for one of them, or the bundle's program
            could not run it.
    """
    for op in dict.fromkeys(ops):
        if op not in OP_METHODS:
            raise ArtifactError(
                "operators that TFLM has",
                f"{op}",
                "Convert with target='cortex-m', which names the layer it is from.",
            )
        if op in _RESOURCES:
            raise ArtifactError(
                "a model whose state TFLM's interpreter holds itself",
                f"{op}, which needs resource variables",
                "Convert the Keras model with to_tflite, which writes fused LSTMs.",
            )
    return tuple(sorted({OP_METHODS[op] for op in ops}))
