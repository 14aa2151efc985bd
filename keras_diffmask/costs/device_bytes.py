"""What operators and tensors take beyond their data: constants, as measured.

Fitted by least squares to 75 small models that TensorFlow 2.21 converted and
the TFLM wheel of October 2026 loaded. What is left is at most 35 bytes of an
arena's tail, and 0.2 kB of a file where the lengths of its names are known.
Later rows (attention, statistics, steps of a recurrent layer) from 45 more, with
those before held fixed: unrolled layers then count 3 % of the tail too much.
"""

from dataclasses import dataclass

from keras_diffmask.lowering import Op

#: Of the file: header, metadata, signature.
FILE = 570
#: Each tensor: its tables, shape, buffer and their alignment; its name apart.
FILE_TENSOR = 107
#: Each operator.
FILE_OP = 77
#: A scale (float32) and a zero point (int64).
FILE_SCALE = 12

#: Of the arena's tail: the interpreter itself.
ARENA = 514
#: Each tensor: its `TfLiteEvalTensor`.
ARENA_TENSOR = 24
#: Each operator: its node and registration.
ARENA_OP = 64
#: Each input and output of the model: a whole `TfLiteTensor`.
ARENA_END = 96
#: Each output channel of a convolution: a multiplier and a shift.
ARENA_CHANNEL = 8
#: Buffers in the arena start at multiples of it.
ALIGNMENT = 16


@dataclass(frozen=True)
class Kind:
    """What one operator brings along.

    Attributes:
        persistent: bytes that its kernel keeps in the arena's tail.
        constants: tensors that are no weights: shapes, axes, states.
        name: bytes of the name of its output, and of its bias.
    """

    persistent: int = 60
    constants: int = 0
    name: int = 36


KINDS = {
    "ADD": Kind(71, name=56),
    "AVERAGE_POOL_2D": Kind(76, name=44),
    "BATCH_MATMUL": Kind(205),
    "CONCATENATION": Kind(82, name=40),
    "CONV_2D": Kind(119, name=115),
    "DEPTHWISE_CONV_2D": Kind(124, name=120),
    "DEQUANTIZE": Kind(30, name=16),
    "ELU": Kind(273, name=28),
    "FULLY_CONNECTED": Kind(112, name=50),
    "GATHER": Kind(34),
    "GELU": Kind(34),
    "HARD_SWISH": Kind(26),
    "LEAKY_RELU": Kind(37),
    "LESS": Kind(34, constants=1),
    "LOGISTIC": Kind(22),
    "MAXIMUM": Kind(34),
    "MAX_POOL_2D": Kind(76, name=44),
    "MEAN": Kind(70, constants=1, name=48),
    "MINIMUM": Kind(34),
    "MUL": Kind(53, name=52),
    "NEG": Kind(87),
    "PACK": Kind(21),
    "PAD": Kind(61, constants=1),
    "PRELU": Kind(39, name=90),
    "QUANTIZE": Kind(30, name=20),
    "REDUCE_MAX": Kind(70, constants=1, name=48),
    "RELU": Kind(36),
    "RELU6": Kind(36),
    "RESHAPE": Kind(34, constants=1, name=44),
    "RESIZE_BILINEAR": Kind(11, constants=1, name=55),
    "REVERSE_V2": Kind(21, constants=1, name=16),
    "RSQRT": Kind(17),
    "SELECT": Kind(34),
    "SELECT_V2": Kind(34),
    "SOFTMAX": Kind(50, name=28),
    "SPLIT": Kind(34),
    "SQUARE": Kind(0),
    "SQUARED_DIFFERENCE": Kind(78),
    "STRIDED_SLICE": Kind(126, constants=3, name=20),
    "SUB": Kind(55),
    "TANH": Kind(34),
    "TRANSPOSE": Kind(13, constants=1),
    "TRANSPOSE_CONV": Kind(112, constants=1, name=100),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Kind(741, constants=7, name=20),
}
#: An operator that has not been looked at.
UNKNOWN = Kind()


def kind_of(op: Op) -> Kind:
    """The constants of an operator."""
    return KINDS.get(op.kind, UNKNOWN)


def tensors_of(op: Op) -> int:
    """How many tensors the file has because of an operator, its inputs apart."""
    return len(op.outputs) + len(op.weights) - op.shared + kind_of(op).constants
