"""The file of packed weights: little-endian, one header, one record per weight.

Header, 32 bytes:

| bytes | type | what |
|---|---|---|
| 0 | 8 bytes | `kdpacked` |
| 8 | u32 | version of this layout, 1 |
| 12 | u32 | CRC-32 of all bytes from 16 on |
| 16 | u64 | bytes of the file |
| 24 | u32 | number of records |
| 28 | u32 | 0 |

A record begins at a multiple of 8, and so do its values and its indices; the gaps
hold zeros. It starts with 40 bytes:

| bytes | type | what |
|---|---|---|
| 0 | u8 | 1 where packed, 0 where dense |
| 1 | u8 | place of the values' type in `DTYPES` |
| 2 | u8 | rank of the weight |
| 3 | u8 | bits of one index, ceil(log2(n)) |
| 4 | u16 | bytes of the name |
| 6 | u16 | 0 |
| 8 | 4 u32 | rows, n, k, width; all 0 where a weight has no rows |
| 24 | u64 | bytes of the values |
| 32 | u64 | bytes of the indices; 0 where dense |

Then follow the shape (u32 each), the order of the axes (u8 each) and the name (UTF-8);
then the values, `(rows, k, width)` or the weight itself, row-major; then the indices,
row by row, each row ceil(k * bits / 8) bytes, its lowest bit first, ascending. Row r of
the values is at `r * k * width`, so a row is found without reading those before it.
"""

import math
import struct
import zlib

import ml_dtypes
import numpy as np

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.packing import rows
from keras_diffmask.export.packing.rows import RowLayout
from keras_diffmask.export.packing.tensor import PackedTensor

MAGIC = b"kdpacked"
VERSION = 1
DTYPES = (
    "float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "uint16",
    "int32", "uint32", "int64", "uint64", "bool",
)  # fmt: skip
_HEADER = struct.Struct("<8sIIQII")
_CHECKED_FROM = 16
_RECORD = struct.Struct("<BBBBHHIIIIQQ")


def encode(tensors: tuple[PackedTensor, ...]) -> bytes:
    """The bytes of a file."""
    body = b"".join(map(_record, tensors))
    length = _HEADER.size + len(body)
    header = _HEADER.pack(MAGIC, VERSION, 0, length, len(tensors), 0)
    checked = header[_CHECKED_FROM:] + body
    return (
        _HEADER.pack(MAGIC, VERSION, zlib.crc32(checked), length, len(tensors), 0)
        + body
    )


def _record(tensor: PackedTensor) -> bytes:
    layout, places, name = tensor.layout, tensor.places, tensor.name.encode()
    code, rank = _code(tensor), len(tensor.shape)
    counts, bits, indices = (0, 0, 0, 0), 0, b""
    axes = tuple(range(rank))
    if layout is not None:
        count = tensor.dense_nbytes // tensor.values.dtype.itemsize
        count //= layout.length * layout.width
        counts = (count, layout.length, tensor.kept, layout.width)
        bits, axes = layout.index_bits, layout.axes
    if places is not None:
        indices = rows.pack_bits(places, bits).tobytes()
    values = np.ascontiguousarray(tensor.values)
    # Bits rather than numbers: NumPy does not swap the bytes of a bfloat16.
    raw = rows.bits_of(values).astype(f"<u{values.dtype.itemsize}").tobytes()
    sizes = (len(raw), len(indices))
    head = _RECORD.pack(
        places is not None, code, rank, bits, len(name), 0, *counts, *sizes
    )
    head += struct.pack(f"<{rank}I", *tensor.shape) + bytes(axes) + name
    return _padded(head) + _padded(raw) + _padded(indices)


def _code(tensor: PackedTensor) -> int:
    if tensor.values.dtype.name not in DTYPES:
        raise InvalidArgumentError(
            f"a weight of one of the types {', '.join(DTYPES)}",
            f"{tensor.name!r} of {tensor.values.dtype.name}",
            "Give its layer another dtype.",
        )
    return DTYPES.index(tensor.values.dtype.name)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 8)


def decode(content: bytes) -> tuple[PackedTensor, ...]:
    """The weights that `encode` wrote.

    Raises:
        ArtifactError: the bytes are of another kind, cut short or damaged.
    """
    if content[: len(MAGIC)] != MAGIC or len(content) < _HEADER.size:
        raise _not_a_file("bytes that do not begin like one")
    _, version, checksum, length, count, _ = _HEADER.unpack_from(content)
    if version != VERSION:
        raise _not_a_file(f"one of version {version}")
    if length != len(content):
        raise _not_a_file(f"{len(content)} bytes of {length}")
    if zlib.crc32(content[_CHECKED_FROM:]) != checksum:
        raise _not_a_file("one whose checksum does not fit")
    try:
        reader = _Reader(content)
        tensors = tuple(reader.record() for _ in range(count))
        _require(reader.is_at_end, "bytes are left over")
        return tensors
    except (struct.error, ValueError, IndexError) as error:
        raise _not_a_file(f"one that contradicts itself ({error})") from error


def _not_a_file(received: str) -> ArtifactError:
    return ArtifactError(
        f"a whole file of packed weights, version {VERSION}",
        received,
        "Write it again with export.pack(model).save(path).",
    )


class _Reader:
    """Walks through the records."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = _HEADER.size

    def record(self) -> PackedTensor:
        is_packed, code, rank, bits, named, _, *rest = self._take(_RECORD)
        count, length, kept, width, value_bytes, index_bytes = rest
        shape = self._take(struct.Struct(f"<{rank}I"))
        axes = tuple(self._bytes(rank))
        name = self._bytes(named).decode()
        self._align()
        layout = RowLayout(axes, length, width) if count else None
        _require(is_packed <= (layout is not None), f"{name!r} has no rows")
        _require(sorted(axes) == list(range(rank)), f"axes of {name!r}: {axes}")
        is_whole = count * length * width in (0, math.prod(shape))
        _require(is_whole and kept <= length, f"{name!r} has other rows")
        raw = self._bytes(value_bytes)
        self._align()
        indices = self._bytes(index_bytes)
        self._align()
        stored = (count, kept, width) if is_packed else shape
        values = _values(raw, DTYPES[code], stored)
        _require(bits == (layout.index_bits if layout else 0), f"{bits} bits")
        if not is_packed or layout is None:
            _require(not indices, f"{name!r} is dense, with indices")
            return PackedTensor.dense(name, values, layout, kept)
        packed = np.frombuffer(indices, np.uint8)
        packed = packed.reshape(count, layout.index_bytes(kept))
        places = rows.unpack_bits(packed, kept, bits)
        _require_ascending(places, length, name)
        return PackedTensor(name, shape, layout, kept, values, places)

    def _take(self, form: struct.Struct) -> tuple:
        return form.unpack(self._bytes(form.size))

    def _bytes(self, number: int) -> bytes:
        part = self._content[self._at : self._at + number]
        _require(len(part) == number, "the last record ends early")
        self._at += number
        return part

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._content)

    def _align(self) -> None:
        self._at += -self._at % 8


def _values(raw: bytes, name: str, shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
    size = dtype.itemsize
    numbers = np.frombuffer(raw, f"<u{size}").astype(f"u{size}")
    return numbers.view(dtype).reshape(shape)


def _require_ascending(places: np.ndarray, length: int, name: str) -> None:
    ascend = not places.size or (places.max() < length and (np.diff(places) > 0).all())
    _require(bool(ascend), f"the indices of {name!r} are no places of its rows")


def _require(is_right: bool, otherwise: str) -> None:
    if not is_right:
        raise ValueError(otherwise)
