"""Tiny .tflite files without a converter: some additions in a row."""

from typing import Any

from keras_diffmask.export.flatbuffer import schema


def additions(number: int, size: int = 1000) -> bytes:
    """A model that doubles its input so many times."""
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    made = schema()
    model, graph, code = made.ModelT(), made.SubGraphT(), made.OperatorCodeT()
    model.version, model.description = 3, "additions"
    code.builtinCode = code.deprecatedBuiltinCode = made.BuiltinOperator.ADD
    code.version = 1
    graph.tensors = [_tensor(made, f"t{i}", size) for i in range(number + 1)]
    graph.inputs, graph.outputs = [0], [number]
    graph.operators = [_addition(made, i) for i in range(number)]
    model.subgraphs, model.operatorCodes = [graph], [code]
    model.buffers = [made.BufferT()]
    return bytes(convert_object_to_bytearray(model))


def _tensor(made: Any, name: str, size: int) -> Any:
    tensor = made.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, [1, size], 0
    tensor.type = made.TensorType.FLOAT32
    return tensor


def _addition(made: Any, place: int) -> Any:
    op = made.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = 0, [place, place], [place + 1]
    op.builtinOptionsType = made.BuiltinOptions.AddOptions
    op.builtinOptions = made.AddOptionsT()
    return op
