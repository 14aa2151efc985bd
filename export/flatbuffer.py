"""Reads a .tflite flatbuffer: tensors and operators as plain Python data."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from keras_diffmask.errors import ArtifactError, MissingDependencyError
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
    """One subgraph; `input_names` are those of the signature, where there is one."""

    tensors: tuple[TensorView, ...]
    ops: tuple[OpView, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signature: dict[int, str]

    def label(self, index: int) -> str:
        """Returns the name a user knows a graph input or output by."""
        return self.signature.get(index, self.tensors[index].name)


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
    try:
        model = schema().Model.GetRootAs(content, 0)
        op_names = _op_names(model)
        graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
        return tuple(
            _subgraph(model, graph, op_names, _signature(model, i))
            for i, graph in enumerate(graphs)
        )
    except MissingDependencyError:
        raise
    except Exception as error:  # a cut file fails wherever the cut is
        raise ArtifactError(
            "the bytes of a whole .tflite model",
            f"{len(content)} bytes that end early or are damaged "
            f"({type(error).__name__})",
            "Copy or export the file again.",
        ) from error


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
        outputs: the signature's names of all outputs.
    """
    graph = schema().Model.GetRootAs(buffer, 0).Subgraphs(0)
    main = read_subgraphs(buffer)[0]
    for vector, names in (
        (graph.InputsAsNumpy(), inputs),
        (graph.OutputsAsNumpy(), outputs),
    ):
        vector[:] = sorted(vector, key=lambda i: names.index(main.label(int(i))))


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


def _signature(model: Any, subgraph: int) -> dict[int, str]:
    names: dict[int, str] = {}
    for i in range(model.SignatureDefsLength()):
        signature = model.SignatureDefs(i)
        if signature.SubgraphIndex() != subgraph:
            continue
        for entry, count in (
            (signature.Inputs, signature.InputsLength()),
            (signature.Outputs, signature.OutputsLength()),
        ):
            for k in range(count):
                names[entry(k).TensorIndex()] = entry(k).Name().decode()
    return names


def _subgraph(
    model: Any, graph: Any, names: list[str], signature: dict[int, str]
) -> SubgraphView:
    return SubgraphView(
        tensors=tuple(_tensor(model, graph, i) for i in range(graph.TensorsLength())),
        ops=tuple(
            _op(graph.Operators(i), names) for i in range(graph.OperatorsLength())
        ),
        inputs=_integers(graph.InputsAsNumpy()),
        outputs=_integers(graph.OutputsAsNumpy()),
        signature=signature,
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
