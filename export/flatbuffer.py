"""Reads a .tflite flatbuffer: tensors and operators as plain Python data."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from keras_diffmask.errors import ArtifactError, ConversionError, DiffmaskError
from keras_diffmask.export.litert import litert


@dataclass(frozen=True)
class TensorView:
    """One tensor. `scale` and `zero_point` are empty when it is not quantized.

    `constant` says whether the file holds its values, as it does a weight's; `data`
    are their bytes, where they stand inside of the flatbuffer.

    They are views into the buffer given to `read_subgraphs`: with a bytearray
    they can be written to, which changes the file in place.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    static: bool
    dtype: str
    scale: np.ndarray
    zero_point: np.ndarray
    constant: bool = False
    data: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))

    def same_quantization(self, other: "TensorView") -> bool:
        """Returns whether both tensors map integers to the same real values."""
        return np.array_equal(self.scale, other.scale) and np.array_equal(
            self.zero_point, other.zero_point
        )


@dataclass(frozen=True)
class OpView:
    """One operator; an absent optional input is index -1."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...]


@dataclass(frozen=True)
class SubgraphView:
    """One subgraph; one tensor may be several outputs, and an input too.

    `input_names` and `output_names` are what a user knows inputs and outputs by: the
    names of the signature, or of the tensors where there is none.
    """

    tensors: tuple[TensorView, ...]
    ops: tuple[OpView, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]


def schema() -> ModuleType:
    """Returns LiteRT's generated schema module.

    Raises:
        MissingDependencyError: ai-edge-litert is not installed.
    """
    return litert("schema_py_generated")


def read_subgraphs(content: bytes | bytearray) -> tuple[SubgraphView, ...]:
    """Parses `content`.

    Args:
        content: a .tflite file. Pass a bytearray to be able to write to the
            scales and zero points of the result.

    Returns:
        Its subgraphs; the first is the main one.

    Raises:
        ArtifactError: `content` is not a whole .tflite file.
    """
    if len(content) < 8 or bytes(content[4:8]) != b"TFL3":
        raise ArtifactError(
            "the bytes of a .tflite model (identifier 'TFL3')",
            f"{len(content)} bytes that are none",
            "Pass a file written by Artifact.save or by the TFLite converter.",
        )
    with reading(content):
        model = schema().Model.GetRootAs(content, 0)
        op_names = _op_names(model)
        graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
        return tuple(
            _subgraph(model, graph, op_names, i) for i, graph in enumerate(graphs)
        )


@contextmanager
def reading(content: bytes | bytearray) -> Iterator[None]:
    """Within it, whatever a part of the file cannot be read for is its damage.

    Raises:
        ArtifactError: naming the file's length.
    """
    try:
        yield
    except DiffmaskError:
        raise
    except Exception as error:  # a cut file fails wherever the cut is
        raise ArtifactError(
            "the bytes of a whole .tflite model",
            f"{len(content)} bytes that end early or are damaged "
            f"({type(error).__name__})",
            "Copy or export the file again.",
        ) from error


def is_tflite(content: bytes | bytearray) -> bool:
    """Whether the bytes bear the mark of a .tflite file, whole or not."""
    return bytes(content[4:8]) == b"TFL3"


def op_options(content: bytes | bytearray, name: str) -> list[Any]:
    """The tables of options of all operators of one kind, which must have some."""
    model = schema().Model.GetRootAs(content, 0)
    names = _op_names(model)
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    ops = [g.Operators(i) for g in graphs for i in range(g.OperatorsLength())]
    return [op.BuiltinOptions() for op in ops if names[op.OpcodeIndex()] == name]


def set_order(buffer: bytearray, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Puts the main subgraph's inputs and outputs in the given order, in place.

    Args:
        buffer: a .tflite file with a signature.
        inputs: the signature's names of all inputs.
        outputs: the signature's names of all outputs. What the converter took for
            one tensor is written at the place of each of its names.

    Raises:
        ConversionError: an input of the signature is none of the subgraph.
    """
    model = schema().Model.GetRootAs(buffer, 0)
    graph = model.Subgraphs(0)
    places = [dict(entries) for entries in _signature(model, 0)]
    for name in inputs:
        # Of an input that is an output the converter makes two where it changes
        # their type, and the signature has the wrong one.
        if places[0][name] not in graph.InputsAsNumpy():
            raise ConversionError(
                "inputs that are not outputs as well, in a file with inputs and "
                "outputs of another type than the one it computes with",
                f"input '{name}', which is",
                "Leave io out, or take it from the model's outputs.",
            )
    graph.InputsAsNumpy()[:] = [places[0][name] for name in inputs]
    graph.OutputsAsNumpy()[:] = [places[1][name] for name in outputs]


def signature_key(content: bytes | bytearray) -> str:
    """The name of the signature of a file that the converter wrote."""
    return schema().Model.GetRootAs(content, 0).SignatureDefs(0).SignatureKey().decode()


def constant_of(
    buffer: bytearray | bytes, graph: SubgraphView, index: int
) -> np.ndarray:
    """The values of a constant tensor of the main subgraph, as a view into the file.

    Args:
        buffer: a .tflite file; a bytearray to write to the result.
        graph: its main subgraph.
        index: which tensor, of 8, 16 or 32 bit integers, or float32.
    """
    model = schema().Model.GetRootAs(buffer, 0)
    tensor = model.Subgraphs(0).Tensors(index)
    data = model.Buffers(tensor.Buffer()).DataAsNumpy()
    return data.view(_NUMPY[graph.tensors[index].dtype])


_NUMPY = {"INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "FLOAT32": "<f4"}


@functools.cache
def _enum_names(enum: str) -> dict[int, str]:
    members = vars(getattr(schema(), enum))
    return {v: k for k, v in members.items() if not k.startswith("_")}


def _op_names(model: Any) -> list[str]:
    names = []
    for i in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(i)
        # Codes above 126 do not fit the old byte field: the larger one is right.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _enum_names("BuiltinOperator")[number]
        custom = code.CustomCode()
        names.append(f"{name} {custom.decode()}" if custom else name)
    return names


#: Name -> index of a tensor, in the order of the file.
_Entries = list[tuple[str, int]]


def _signature(model: Any, subgraph: int) -> tuple[_Entries, _Entries]:
    """The inputs and the outputs of a subgraph's signatures; empty without one."""
    inputs: _Entries = []
    outputs: _Entries = []
    for i in range(model.SignatureDefsLength()):
        signature = model.SignatureDefs(i)
        if signature.SubgraphIndex() != subgraph:
            continue
        for found, entry, count in (
            (inputs, signature.Inputs, signature.InputsLength()),
            (outputs, signature.Outputs, signature.OutputsLength()),
        ):
            for one in map(entry, range(count)):
                found.append((one.Name().decode(), one.TensorIndex()))
    return inputs, outputs


def _names(
    entries: _Entries, indices: Sequence[int], tensors: Sequence[TensorView]
) -> tuple[str, ...]:
    """The names of inputs or outputs, place by place."""
    waiting: dict[int, list[str]] = {}
    # Several of one tensor in the order of their numbers: 2 before 10.
    for name, index in sorted(entries, key=lambda entry: (len(entry[0]), entry[0])):
        waiting.setdefault(index, []).append(name)
    names = []
    for index in indices:
        left = waiting.get(index, [])
        names.append(left.pop(0) if left else tensors[index].name)
    return tuple(names)


def _subgraph(model: Any, graph: Any, names: list[str], number: int) -> SubgraphView:
    tensors = tuple(_tensor(model, graph, i) for i in range(graph.TensorsLength()))
    inputs = _integers(graph.InputsAsNumpy())
    outputs = _integers(graph.OutputsAsNumpy())
    signature = _signature(model, number)
    return SubgraphView(
        tensors=tensors,
        ops=tuple(
            _op(graph.Operators(i), names) for i in range(graph.OperatorsLength())
        ),
        inputs=inputs,
        outputs=outputs,
        input_names=_names(signature[0], inputs, tensors),
        output_names=_names(signature[1], outputs, tensors),
    )


def _tensor(model: Any, graph: Any, index: int) -> TensorView:
    tensor = graph.Tensors(index)
    quantization = tensor.Quantization()
    scale, zero_point = np.empty(0, np.float32), np.empty(0, np.int64)
    if quantization is not None and quantization.ScaleLength():
        scale = quantization.ScaleAsNumpy()
        zero_point = quantization.ZeroPointAsNumpy()
    data = model.Buffers(tensor.Buffer())
    return TensorView(
        index=index,
        name=tensor.Name().decode(),
        shape=_integers(tensor.ShapeAsNumpy()),
        static=-1 not in _integers(tensor.ShapeSignatureAsNumpy()),
        dtype=_enum_names("TensorType")[tensor.Type()],
        scale=scale,
        zero_point=zero_point,
        # Large files keep the bytes behind the flatbuffer, at an offset.
        constant=data.DataLength() > 0 or data.Offset() > 1,
        data=data.DataAsNumpy() if data.DataLength() else np.empty(0, np.uint8),
    )


def _op(op: Any, names: list[str]) -> OpView:
    return OpView(
        name=names[op.OpcodeIndex()],
        inputs=_integers(op.InputsAsNumpy()),
        outputs=_integers(op.OutputsAsNumpy()),
        intermediates=_integers(op.IntermediatesAsNumpy()),
    )


def _integers(vector: Sequence[int] | np.ndarray | int) -> tuple[int, ...]:
    # The generated accessors return the integer 0 for an absent vector.
    return () if isinstance(vector, int) else tuple(int(v) for v in vector)
