"""A kernel as rows, and a row as the values it keeps and where they were."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RowLayout:
    """How a tensor is cut into rows.

    The tensor, its axes in the order of `axes`, is reshaped to
    `(rows, length, width)`; k of the `length` places of each row are stored.

    Args:
        axes: all axes of the tensor, those along which rows lie first.
        length: n, the places of a row.
        width: values at one place; 1 but for the kernel granularity.
    """

    axes: tuple[int, ...]
    length: int
    width: int

    @property
    def index_bits(self) -> int:
        """ceil(log2(n)), which a row of a single place does not need."""
        return (self.length - 1).bit_length()

    def index_bytes(self, kept: int) -> int:
        """Bytes of one row's indices: a row begins with a byte of its own."""
        return math.ceil(kept * self.index_bits / 8)

    def split(self, tensor: np.ndarray) -> np.ndarray:
        """The tensor as `(rows, length, width)`."""
        return tensor.transpose(self.axes).reshape(-1, self.length, self.width)

    def join(self, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The tensor of `shape` that `split` made these rows of."""
        turned = rows.reshape([shape[axis] for axis in self.axes])
        return np.ascontiguousarray(turned.transpose(np.argsort(self.axes)))


def bits_of(tensor: np.ndarray) -> np.ndarray:
    """The tensor's bits as unsigned integers: -0.0 is not 0 here."""
    return np.ascontiguousarray(tensor).view(f"u{tensor.dtype.itemsize}")


def kept_places(rows: np.ndarray) -> np.ndarray:
    """Which places of each row hold any bit, `(rows, length)`."""
    return np.any(bits_of(rows), axis=-1, keepdims=True)[..., 0]


def gather(rows: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kept values `(rows, k, width)` and their places `(rows, k)`, ascending.

    Args:
        rows: what `RowLayout.split` returned.
        keep: boolean, `(rows, length)`. A row that keeps fewer than the
            longest is filled up with the first of its other places.
    """
    most = max(int(keep.sum(axis=1).max(initial=0)), 1)
    # Stable: the kept in their order first, then the others in theirs.
    order = np.argsort(~keep, axis=1, kind="stable")[:, :most]
    places = np.sort(order, axis=1)
    return np.take_along_axis(rows, places[..., None], axis=1), places


def scatter(values: np.ndarray, places: np.ndarray, length: int) -> np.ndarray:
    """Rows of `length` with the values in their places, and 0 elsewhere."""
    count, _, width = values.shape
    rows = np.zeros((count, length, width), values.dtype)
    np.put_along_axis(rows, places[..., None], values, axis=1)
    return rows


def pack_bits(places: np.ndarray, bits: int) -> np.ndarray:
    """Each row's indices, `bits` each, the lowest bit first; whole bytes a row."""
    shifts = np.arange(bits, dtype=np.uint32)
    ones = (places.astype(np.uint32)[..., None] >> shifts) & 1
    flat = ones.astype(np.uint8).reshape(len(places), places.shape[1] * bits)
    return np.packbits(flat, axis=1, bitorder="little")


def unpack_bits(packed: np.ndarray, kept: int, bits: int) -> np.ndarray:
    """The indices that `pack_bits` packed, `(rows, kept)`."""
    flat = np.unpackbits(packed, axis=1, count=kept * bits, bitorder="little")
    ones = flat.reshape(len(packed), kept, bits).astype(np.int64)
    return ones @ (1 << np.arange(bits, dtype=np.int64))
