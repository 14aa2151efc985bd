"""By what one knows calibration data again."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Version, number of inputs, examples, steps of a sequence where inputs are of one
# step; then three floats per input, then the hash.
_HEAD = struct.Struct("<BBII")
_RANGE = struct.Struct("<fff")
_VERSION = 1
_HASH_BYTES = 32


@dataclass(frozen=True)
class InputRange:
    """The calibration data of one input.

    Args:
        minimum, maximum, mean: of all its values.
    """

    minimum: float
    maximum: float
    mean: float


@dataclass(frozen=True)
class Fingerprint:
    """The data that a file was calibrated with.

    Args:
        count: number of examples.
        steps: steps of their sequences, where the file takes one step a call;
            else 0.
        ranges: one per input, in the Keras model's order.
        sha256: hash, in hexadecimal, of the bytes of all arrays one after the
            other, as float32 or int32.

    Example:

    ```python
    known = export.Artifact.load("model.tflite").calibration
    if known != Fingerprint.of([x]):
        print("calibrated with other data:", known)
    ```
    """

    count: int
    steps: int
    ranges: tuple[InputRange, ...]
    sha256: str

    def __str__(self) -> str:
        spans = ", ".join(
            f"{r.minimum:.4g} to {r.maximum:.4g} (mean {r.mean:.4g})"
            for r in self.ranges
        )
        return f"{self.count} examples, {spans}, sha256 {self.sha256[:12]}"

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray], streaming: bool = False) -> "Fingerprint":
        """The fingerprint of data.

        Args:
            arrays: one array of shape (n, ...) per input, float32 or int32.
            streaming: whether the file takes one step of a sequence per call.
        """
        digest = hashlib.sha256()
        ranges = []
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
            values = (array.min(), array.max(), array.mean(dtype="float64"))
            # As they are written, so that what is read back is equal.
            ranges.append(InputRange(*(float(np.float32(v)) for v in values)))
        steps = arrays[0].shape[1] if streaming else 0
        return cls(len(arrays[0]), steps, tuple(ranges), digest.hexdigest())

    def to_bytes(self) -> bytes:
        """46 bytes, and 12 more for each further input."""
        head = _HEAD.pack(_VERSION, len(self.ranges), self.count, self.steps)
        spans = (_RANGE.pack(r.minimum, r.maximum, r.mean) for r in self.ranges)
        return head + b"".join(spans) + bytes.fromhex(self.sha256)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Fingerprint | None":
        """What `to_bytes` wrote; None for what it did not write."""
        if len(data) < _HEAD.size:
            return None
        version, inputs, count, steps = _HEAD.unpack_from(data)
        end = _HEAD.size + inputs * _RANGE.size
        if version != _VERSION or len(data) != end + _HASH_BYTES:
            return None
        ranges = tuple(
            InputRange(*_RANGE.unpack_from(data, _HEAD.size + k * _RANGE.size))
            for k in range(inputs)
        )
        return cls(count, steps, ranges, data[end:].hex())
