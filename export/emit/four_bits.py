"""Stores kernels that were trained on a grid of 4 bits in 4 bits."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_diffmask.export.flatbuffer import (
    OpView,
    SubgraphView,
    constant_of,
    read_subgraphs,
    schema,
)
from keras_diffmask.export.metadata.repack import packed
from keras_diffmask.targets import Target

# The operators whose kernels unpack 4-bit weights.
_OPS = ("CONV_2D", "FULLY_CONNECTED")
# What a bias was rounded by at most, in steps of it.
_ROUNDED = 0.51
# The converter's grid and that of 4 bits: it writes integer k as k * 127 / 7.
_EIGHT, _FOUR = 127, 7
_GRID = np.rint(np.arange(-_FOUR, _FOUR + 1) * _EIGHT / _FOUR).astype(np.int8)


def pack_four_bits(
    content: bytes, target: Target, in_floats: Callable[[], bytes]
) -> bytes:
    """The file with 4-bit weights where all of a kernel's lie on such a grid.

    Two weights share a byte, the lower half first; the scale becomes that of the
    4-bit grid, which 8 bits can only come near, and the bias follows it. Depthwise
    kernels keep a byte per weight, as does what TFLM would not unpack: a Dense
    kernel with a scale per unit.

    Args:
        content: an int8 file, of a model whose kernels were trained with 4 bits.
        target: the device it is for.
        in_floats: makes the file of the same network with biases in floats: those
            of `content` are rounded, and to round them again would be one too many.
            It takes a conversion, and is called only where a kernel can be packed.

    Returns:
        A file of fewer bytes with the function of the trained model.
    """
    graph = read_subgraphs(content)[0]
    is_for_tflm = target.allowed_ops is not None
    chosen: dict[int, list[OpView]] = {}
    for op in graph.ops:
        if op.name in _OPS and _is_on_grid(content, graph, op, is_for_tflm):
            chosen.setdefault(op.inputs[1], []).append(op)
    if not chosen:
        return content
    kinds = schema()
    model = kinds.ModelT.InitFromObj(kinds.Model.GetRootAs(content, 0))
    exact = _biases_in_floats(content, graph, in_floats())
    biases: set[int] = set()
    for weights, ops in chosen.items():
        _pack(model, weights)
        for op in ops:
            if len(op.inputs) > 2 and op.inputs[2] >= 0 and op.inputs[2] not in biases:
                biases.add(op.inputs[2])
                _rescale_bias(model, op.inputs[2], exact.get(op.inputs[2]))
    return packed(model)


def _is_on_grid(
    content: bytes, graph: SubgraphView, op: OpView, is_for_tflm: bool
) -> bool:
    tensor = graph.tensors[op.inputs[1]]
    if not tensor.constant or tensor.dtype != "INT8":
        return False
    if is_for_tflm and op.name == "FULLY_CONNECTED" and tensor.scale.size > 1:
        return False
    return bool(np.isin(constant_of(content, graph, tensor.index), _GRID).all())


def _pack(model: Any, index: int) -> None:
    tensor, buffer = _own_buffer(model, index)
    values = np.asarray(buffer.data, np.uint8).view(np.int8).astype(np.float64)
    small = np.rint(values * _FOUR / _EIGHT).astype(np.int8).view(np.uint8) & 0x0F
    if small.size % 2:
        small = np.append(small, np.uint8(0))
    buffer.data = small[0::2] | (small[1::2] << 4)
    tensor.type = schema().TensorType.INT4
    scale = np.asarray(tensor.quantization.scale, np.float32)
    tensor.quantization.scale = (scale * (_EIGHT / _FOUR)).astype(np.float32)


def _own_buffer(model: Any, index: int) -> tuple[Any, Any]:
    """A tensor of the main subgraph, and its buffer, which no other one shares."""
    tensor = model.subgraphs[0].tensors[index]
    readers = [t for graph in model.subgraphs for t in graph.tensors]
    if sum(t.buffer == tensor.buffer for t in readers) > 1:
        copy = schema().BufferT()
        copy.data = model.buffers[tensor.buffer].data
        tensor.buffer = len(model.buffers)
        model.buffers.append(copy)
    return tensor, model.buffers[tensor.buffer]


def _biases_in_floats(
    content: bytes, graph: SubgraphView, in_floats: bytes
) -> dict[int, np.ndarray]:
    """Bias tensor -> what it was before it was rounded, where the two files tell."""
    other = read_subgraphs(in_floats)[0]
    ours, theirs = _with_biases(graph), _with_biases(other)
    found: dict[int, np.ndarray] = {}
    if [op.name for op in ours] != [op.name for op in theirs]:
        return found
    for op, twin in zip(ours, theirs, strict=True):
        index, scale = op.inputs[2], graph.tensors[op.inputs[2]].scale
        rounded = constant_of(content, graph, index) * np.asarray(scale, np.float64)
        exact = constant_of(in_floats, other, twin.inputs[2])
        if exact.shape == rounded.shape and np.all(
            np.abs(exact - rounded) <= _ROUNDED * np.asarray(scale)
        ):
            found[index] = exact
    return found


def _with_biases(graph: SubgraphView) -> list[OpView]:
    return [
        op
        for op in graph.ops
        if op.name in _OPS
        and len(op.inputs) > 2
        and op.inputs[2] >= 0
        and graph.tensors[op.inputs[2]].constant
    ]


def _rescale_bias(model: Any, index: int, exact: np.ndarray | None) -> None:
    tensor, buffer = _own_buffer(model, index)
    scale = np.asarray(tensor.quantization.scale, np.float32)
    tensor.quantization.scale = (scale * (_EIGHT / _FOUR)).astype(np.float32)
    if exact is None:
        values = np.asarray(buffer.data, np.uint8).view("<i4").astype(np.float64)
        integers = np.rint(values * _FOUR / _EIGHT)
    else:
        integers = np.rint(exact / tensor.quantization.scale)
    buffer.data = integers.astype("<i4").view(np.uint8)
