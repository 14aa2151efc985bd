"""Removes what the fake quantization of training leaves in a file."""

from typing import Any

from keras_diffmask.export.flatbuffer import schema
from keras_diffmask.export.metadata.repack import packed

#: The converter names a tensor after it and the constants of its range.
_FAKE = b"/FakeQuantWithMinMaxVars"


def without_remains(content: bytes) -> bytes:
    """The file with short names, and without buffers that nothing refers to.

    Args:
        content: a file of a model with learned ranges.

    Returns:
        A file of some hundred bytes less with the same function.
    """
    kinds = schema()
    model = kinds.ModelT.InitFromObj(kinds.Model.GetRootAs(content, 0))
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    for tensor in tensors:
        # What is left names the layer, by which `verify` finds it.
        tensor.name = tensor.name.partition(_FAKE)[0]
    _drop_buffers(model, [*tensors, *(model.metadata or [])])
    return packed(model)


def _drop_buffers(model: Any, holders: list[Any]) -> None:
    # The first is the empty one that the format asks for.
    used = sorted({0, *(holder.buffer for holder in holders)})
    places = {old: new for new, old in enumerate(used)}
    for holder in holders:
        holder.buffer = places[holder.buffer]
    model.buffers = [model.buffers[old] for old in used]
