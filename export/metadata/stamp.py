"""A checksum and the calibration data's fingerprint, inside of a .tflite file.

Both stand where the converter left remarks of its own, so that the file does not
grow: the checksum in the description ("MLIR Converted."), the fingerprint in the
metadata entry CONVERSION_METADATA. Files of others have neither.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from keras_diffmask.errors import ArtifactError, ConversionError
from keras_diffmask.export.flatbuffer import schema
from keras_diffmask.export.metadata.fingerprint import Fingerprint
from keras_diffmask.export.metadata.repack import with_metadata

# A mark, "s" for a streaming model, and eight digits of the checksum.
_MARK = re.compile(rb"kd1([s-])([0-9a-f]{8})")
_STREAMING = b"streaming"
_THEIRS, _OURS = b"CONVERSION_METADATA", b"keras_diffmask"
# As a string of a flatbuffer, which an input called keras_diffmask_input is not.
_OURS_WHOLE = len(_OURS).to_bytes(4, "little") + _OURS + b"\0"
# The place of `description` in the virtual table of a Model.
_DESCRIPTION = 10


def mark_streaming(buffer: bytearray) -> None:
    """Notes in the file, in place, that a call is one step of a sequence.

    The bytes of such a model are those of a model for sequences of one step:
    only what its caller has to do differs.

    Args:
        buffer: a .tflite file as the converter wrote it.

    Raises:
        ConversionError: the file has no description that could be replaced.
    """
    if not _describe(buffer, _STREAMING):
        raise ConversionError(
            f"a description of at least {len(_STREAMING)} characters in the file",
            f"{_description(buffer)!r}",
            "Report the TensorFlow version: its converter writes files differently.",
        )


def is_streaming(content: bytes | bytearray) -> bool:
    """Whether `mark_streaming` was called on the file, before or after `stamp`."""
    text = _description(content)
    mark = _MARK.fullmatch(text)
    return text == _STREAMING or (mark is not None and mark[1] == b"s")


def stamp(
    content: bytes,
    fingerprint: Fingerprint | None,
    entries: Mapping[str, bytes] | None = None,
    append: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """Writes the fingerprint, and a checksum of all bytes, into a file.

    Args:
        content: a .tflite file.
        fingerprint: of its calibration data; None where there were none.
        entries: more metadata, name -> bytes.
        append: puts an archive behind the file.

    Returns:
        The file, of the same length where there are no entries and the converter
        left room.
    """
    mark = b"kd1" + (b"s" if is_streaming(content) else b"-") + b"0" * 8
    note = fingerprint.to_bytes() if fingerprint is not None else b""
    more, buffer = dict(entries or {}), bytearray(content)
    described = len(_description(buffer)) >= len(mark)
    if not _note(buffer, note):
        more[_OURS.decode()] = len(note).to_bytes(2, "little") + note
    if more or not described:
        renewed = None if described else mark
        buffer = bytearray(with_metadata(bytes(buffer), more, renewed))
    buffer = bytearray(append(bytes(buffer)))
    _describe(buffer, mark)
    _describe(buffer, mark[:4] + b"%08x" % zlib.crc32(buffer))
    return bytes(buffer)


def check_whole(content: bytes) -> None:
    """Raises when a file that `stamp` wrote is not as it was written.

    Args:
        content: the file. One without a stamp, by others, is let through.

    Raises:
        ArtifactError: a byte differs, or the file was cut short.
    """
    if not _is_ours(content):
        return
    try:
        buffer = bytearray(content)
        mark = _MARK.fullmatch(_description(buffer))
        whole = mark is not None and _read_note(buffer) is not None
        if mark is not None:
            _describe(buffer, mark[0][:4] + b"0" * 8)
            whole = whole and b"%08x" % zlib.crc32(buffer) == mark[2]
    except Exception:  # a damaged file fails wherever the damage is
        whole = False
    if not whole:
        raise ArtifactError(
            "a .tflite file as to_tflite wrote it",
            f"{len(content)} bytes of which some were changed or lost: their checksum "
            "is another one",
            "Copy or export the file again.",
        )


def _is_ours(content: bytes) -> bool:
    """Whether `stamp` wrote the file, as far as what is left of it tells."""
    # Looked for in the raw bytes: in a damaged file they may stand anywhere.
    if _MARK.search(content) is not None:
        return True
    if _OURS_WHOLE not in content:
        return False
    try:
        # A file of others may have an input of that name, and no such entry.
        return _read_note(bytearray(content)) is not None
    except Exception:  # as in check_whole
        return True


def fingerprint_of(content: bytes) -> Fingerprint | None:
    """The fingerprint in a file; None where it holds none."""
    note = _read_note(bytearray(content))
    return None if note is None else Fingerprint.from_bytes(note)


def _description(content: bytes | bytearray) -> bytes:
    return bytes(schema().Model.GetRootAs(content, 0).Description() or b"")


def _describe(buffer: bytearray, text: bytes) -> bool:
    """Replaces the description in place; False where there is no room for it."""
    table = schema().Model.GetRootAs(buffer, 0)._tab
    field = table.Offset(_DESCRIPTION)
    if not field or len(_description(buffer)) < len(text):
        return False
    _replace(buffer, table.Indirect(table.Pos + field), text)
    return True


def _replace(buffer: bytearray, start: int, text: bytes) -> None:
    """Puts a string of at most the old one's length where that was."""
    size = int.from_bytes(buffer[start : start + 4], "little")
    buffer[start : start + 4] = len(text).to_bytes(4, "little")
    buffer[start + 4 : start + 4 + size] = text.ljust(size, b"\0")


def _note(buffer: bytearray, note: bytes) -> bool:
    """Writes a note in place of the converter's; False where there is no room."""
    found = _entry(buffer, (_THEIRS, _OURS))
    if found is None:
        return False
    entry, data = found
    if len(data) < len(note) + 2:
        return False
    data[:] = 0
    text = len(note).to_bytes(2, "little") + note
    data[: len(text)] = bytearray(text)
    table = entry._tab
    _replace(buffer, table.Indirect(table.Pos + table.Offset(4)), _OURS)
    return True


def _read_note(buffer: bytearray) -> bytes | None:
    found = _entry(buffer, (_OURS,))
    if found is None:
        return None
    data = bytes(found[1])
    return data[2 : 2 + int.from_bytes(data[:2], "little")]


def _entry(buffer: bytearray, names: tuple[bytes, ...]) -> tuple[Any, Any] | None:
    """The metadata entry of one of the names, and a view of its bytes."""
    model = schema().Model.GetRootAs(buffer, 0)
    for k in range(model.MetadataLength()):
        entry = model.Metadata(k)
        if entry.Name() in names:
            data = model.Buffers(entry.Buffer())
            if data.DataLength():
                return entry, data.DataAsNumpy()
    return None
