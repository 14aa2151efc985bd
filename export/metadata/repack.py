"""Writes a .tflite flatbuffer anew, with more metadata."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_diffmask.export.flatbuffer import schema


def with_metadata(
    content: bytes, entries: Mapping[str, bytes], description: bytes | None = None
) -> bytes:
    """A file with entries of metadata added or replaced.

    Everything else is written again as it was read: the same operators, tensors
    and bytes of weights, at other offsets.

    Args:
        content: a .tflite file; what is appended to it is not kept.
        entries: name -> bytes.
        description: what to put in place of the description; None: keep it.

    Returns:
        The new file.
    """
    kinds = schema()
    model = kinds.ModelT.InitFromObj(kinds.Model.GetRootAs(content, 0))
    names = {name.encode() for name in entries}
    kept = [m for m in model.metadata or () if m.name not in names]
    for name, data in entries.items():
        buffer, entry = kinds.BufferT(), kinds.MetadataT()
        buffer.data = np.frombuffer(data, np.uint8)
        entry.name, entry.buffer = name, len(model.buffers)
        model.buffers.append(buffer)
        kept.append(entry)
    model.metadata = kept
    if description is not None:
        model.description = description
    return packed(model)


def packed(model: Any) -> bytes:
    """The bytes of a file.

    Args:
        model: a `ModelT` of the schema.
    """
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
