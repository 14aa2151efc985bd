"""One operator of a .tflite file, as it would be with fewer channels."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_diffmask.export.flatbuffer import OpView, SubgraphView, schema

#: Of an operator's inputs, by position: axis -> whose channels lie along it.
#: Its first output has those of `out` along the last axis.
_IN, _OUT = "in", "out"
_LAYOUTS: dict[str, dict[int, dict[int, str]]] = {
    "CONV_2D": {0: {-1: _IN}, 1: {0: _OUT, 3: _IN}, 2: {0: _OUT}},
    "DEPTHWISE_CONV_2D": {0: {-1: _IN}, 1: {3: _OUT}, 2: {0: _OUT}},
    "FULLY_CONNECTED": {0: {-1: _IN}, 1: {0: _OUT, 1: _IN}, 2: {0: _OUT}},
    "TRANSPOSE_CONV": {1: {0: _OUT, 3: _IN}, 2: {-1: _IN}, 3: {0: _OUT}},
    "UNIDIRECTIONAL_SEQUENCE_LSTM": {
        0: {-1: _IN},
        **{place: {0: _OUT, 1: _IN} for place in range(1, 5)},
        **{place: {0: _OUT, 1: _OUT} for place in range(5, 9)},
        **{place: {0: _OUT} for place in range(12, 16)},
        **{place: {1: _OUT} for place in (18, 19)},
    },
}
#: Output and inputs have their channels last, the same ones.
_CHANNELWISE = frozenset(
    "ABS ADD AVERAGE_POOL_2D DEQUANTIZE DIV ELU EXP GELU HARD_SWISH LEAKY_RELU "
    "LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL NEG PAD PADV2 PRELU QUANTIZE "
    "REDUCE_MAX RELU RELU6 RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RSQRT "
    "SOFTMAX SQRT SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH".split()
)
#: Kinds whose time depends on input and output channels by themselves.
TWO_AXES = frozenset(_LAYOUTS) - {"DEPTHWISE_CONV_2D"}
_NUMPY = {"FLOAT32": np.float32, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32}


@dataclass(frozen=True)
class Operator:
    """An operator cut out of a file.

    Attributes:
        kind: TFLite's name of it.
        content: a .tflite file of this operator alone.
        channels: of its first input and its first output, in the dense model.
        is_grouped: whether it is a convolution in several groups.
    """

    kind: str
    content: bytes
    channels: tuple[int, int]
    is_grouped: bool = False

    @classmethod
    def of(cls, op: OpView, content: bytes, graph: SubgraphView) -> "Operator":
        """An operator of a graph, and the file that it was cut into."""
        place = 2 if op.name == "TRANSPOSE_CONV" else 0
        # Some operators on variables lack an input or an output.
        tensors = op.inputs[place : place + 1], op.outputs[:1]
        source, result = (graph.tensors[t[0]].shape if t else () for t in tensors)
        channels = (source[-1] if source else 1, result[-1] if result else 1)
        kernel = graph.tensors[op.inputs[1]].shape if op.name == "CONV_2D" else ()
        grouped = bool(kernel) and kernel[3] != channels[0]
        return cls(op.name, content, channels, grouped)

    @property
    def signature(self) -> tuple[object, ...]:
        """What is the same for operators that take the same time."""
        root = schema().Model.GetRootAs(self.content, 0)
        model = schema().ModelT.InitFromObj(root)
        op = model.subgraphs[0].operators[0]
        options = sorted((k, str(v)) for k, v in vars(op.builtinOptions or op).items())
        sizes = [(str(t.shape), t.type) for t in model.subgraphs[0].tensors]
        return self.kind, tuple(options), tuple(sizes), str(op.inputs)

    @property
    def can_narrow(self) -> bool:
        """Whether it is known where its channels are."""
        if self.is_grouped:
            return False
        if self.kind in _LAYOUTS or self.kind in ("CONCATENATION", "RESHAPE"):
            return True
        return self.kind in _CHANNELWISE and self.channels[0] == self.channels[1]


def narrowed(operator: Operator, inputs: int, outputs: int) -> bytes:
    """The file of the operator with the first so many channels.

    Args:
        operator: one that `can_narrow`.
        inputs: channels of its input; of those that pass channels on, this
            follows from `outputs`.
        outputs: channels of its output.

    Returns:
        The bytes of a .tflite file.
    """
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    root = schema().Model.GetRootAs(operator.content, 0)
    model = schema().ModelT.InitFromObj(root)
    cut = _Cut(model)
    given = [int(tensor) for tensor in model.subgraphs[0].operators[0].inputs]
    first, *_ = (int(t) for t in model.subgraphs[0].operators[0].outputs)
    if operator.kind in _LAYOUTS:
        amounts = {_IN: inputs, _OUT: outputs}
        for place, axes in _LAYOUTS[operator.kind].items():
            for axis, whose in axes.items():
                if place < len(given) and given[place] >= 0:
                    cut.shorten(given[place], axis, amounts[whose])
        cut.shorten(first, -1, outputs)
    elif operator.kind == "RESHAPE":
        cut.reshape(given, first, outputs)
    elif operator.kind == "CONCATENATION":
        cut.join(given, first, outputs)
    else:
        whole = (operator.channels[1],)
        for tensor in dict.fromkeys(given):
            if cut.has_channels(tensor) and cut.shape(tensor)[-1:] == whole:
                cut.shorten(tensor, -1, outputs)
        cut.shorten(first, -1, outputs)
    cut.fit_output_shape(operator.kind, given, first)
    return bytes(convert_object_to_bytearray(model))


class _Cut:
    """Takes channels off the tensors of a model, in place."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._tensors = model.subgraphs[0].tensors
        names = vars(schema().TensorType)
        self._types = {v: k for k, v in names.items() if not k.startswith("_")}

    def shape(self, tensor: int) -> tuple[int, ...]:
        shape = self._tensors[tensor].shape
        return () if shape is None else tuple(int(size) for size in shape)

    def has_channels(self, index: int) -> bool:
        """Whether it is an activation or a weight: no shape, axis or padding."""
        if index < 0:
            return False
        is_index = self._types[self._tensors[index].type] == "INT32"
        return not is_index or self.values(index) is None

    def shorten(self, index: int, axis: int, size: int) -> None:
        """Keep the first `size` entries along an axis, scales included."""
        tensor, shape = self._tensors[index], list(self.shape(index))
        axis %= len(shape)
        before = shape[axis]
        values = self.values(index)
        if values is not None:
            kept = np.take(values.reshape(shape), range(size), axis)
            self.write(index, kept)
        shape[axis] = size
        tensor.shape = np.array(shape, np.int32)
        tensor.shapeSignature = None
        scales = tensor.quantization
        if scales is None or scales.scale is None:
            return
        scales.min = scales.max = None
        if len(scales.scale) == before > 1 and scales.quantizedDimension == axis:
            scales.scale = scales.scale[:size]
            scales.zeroPoint = scales.zeroPoint[:size]

    def reshape(self, given: list[int], output: int, size: int) -> None:
        """The last axis of the output has `size` entries, the others as they are."""
        source, result = self.shape(given[0]), self.shape(output)
        others = math.prod(result[:-1]) * size
        channels = max(1, others // math.prod(source[:-1]))
        self.shorten(given[0], -1, channels)
        last = channels * math.prod(source[:-1]) // math.prod(result[:-1])
        self.shorten(output, -1, last)

    def join(self, given: list[int], output: int, size: int) -> None:
        """Each input of a concatenation keeps the same share of its channels."""
        whole = self.shape(output)[-1]
        total = 0
        for tensor in given:
            part = max(1, round(self.shape(tensor)[-1] * size / whole))
            self.shorten(tensor, -1, part)
            total += part
        self.shorten(output, -1, total)

    def fit_output_shape(self, kind: str, given: list[int], output: int) -> None:
        """Where the shape of the output is an input, let it say the new one."""
        place = {"RESHAPE": 1, "TRANSPOSE_CONV": 0}.get(kind)
        if kind == "STRIDED_SLICE" and (end := self.values(given[2])) is not None:
            # Where to stop: behind the last channel, or anywhere where that is masked.
            self.write(
                given[2], np.array([*end[:-1], self.shape(output)[-1]], end.dtype)
            )
        if place is None:
            return
        shape = np.array(self.shape(output), np.int32)
        if place < len(given) and self.values(given[place]) is not None:
            self.write(given[place], shape)
        options = self._model.subgraphs[0].operators[0].builtinOptions
        if kind == "RESHAPE" and getattr(options, "newShape", None) is not None:
            options.newShape = shape

    def values(self, index: int) -> np.ndarray | None:
        """Of a constant; None for an activation."""
        tensor = self._tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        kind = _NUMPY[self._types[tensor.type]]
        return np.frombuffer(bytes(bytearray(data)), kind)

    def write(self, index: int, values: np.ndarray) -> None:
        """Give a constant other values; `cut_ops` left it a buffer of its own."""
        place = self._tensors[index].buffer
        buffer = copy.copy(self._model.buffers[place])
        content = np.ascontiguousarray(values).tobytes()
        buffer.data = np.frombuffer(content, np.uint8)
        self._model.buffers[place] = buffer
