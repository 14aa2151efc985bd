"""Packed: a model's weights, those with k of n per row in their packed form."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.packing.file import decode, encode
from keras_diffmask.export.packing.tensor import PackedTensor
from keras_diffmask.masking.bake import bake

NOTE = (
    "Stock TFLite knows no such rows: it stores and runs these weights dense. The "
    "packed form is for kernels or memory banks of your own."
)


@dataclass(frozen=True, eq=False, repr=False)
class Packed:
    """What `pack` returns; `str` of it is a table.

    Args:
        tensors: every weight of the model, in its order.
    """

    tensors: tuple[PackedTensor, ...]

    @property
    def size(self) -> dict[str, tuple[int, int]]:
        """Weight -> bytes (as packed here, dense); headers and names left out."""
        return {one.name: (one.nbytes, one.dense_nbytes) for one in self.tensors}

    @property
    def nbytes(self) -> int:
        """Bytes of all weights as packed here."""
        return sum(one.nbytes for one in self.tensors)

    @property
    def dense_nbytes(self) -> int:
        """Bytes of all weights as the model has them."""
        return sum(one.dense_nbytes for one in self.tensors)

    @property
    def left_dense(self) -> tuple[PackedTensor, ...]:
        """Weights with rows whose packed form would not be smaller."""
        return tuple(t for t in self.tensors if t.layout and not t.is_packed)

    def arrays(self) -> dict[str, np.ndarray]:
        """Every weight of the model by its path, bit for bit."""
        return {one.name: one.array() for one in self.tensors}

    def unpack(self, like: keras.Model) -> keras.Model:
        """Return a stock copy of `like` with the packed weights in it.

        Args:
            like: the model that was packed, or one of the same layers; masked
                or stock. It is not changed.

        Returns:
            A Functional model of stock Keras layers.

        Raises:
            InvalidArgumentError: its weights have other names or shapes.
        """
        model, arrays = bake(like), self.arrays()
        own = {weight.path: tuple(weight.shape) for weight in model.weights}
        packed = {name: array.shape for name, array in arrays.items()}
        if own != packed:
            name = next(n for n in [*packed, *own] if own.get(n) != packed.get(n))
            raise InvalidArgumentError(
                f"a model with the packed weights, {name!r} of {packed.get(name)}",
                f"{like.name!r}, where it is {own.get(name)}",
                "Pass the model that was packed, or its stripped form if that was.",
            )
        for weight in model.weights:
            weight.assign(arrays[weight.path])
        return model

    def save(self, path: str | os.PathLike) -> Path:
        """Write one file, whole or not at all; `packing.file` has its layout.

        Raises:
            ArtifactError: the path cannot be written.
        """
        content = encode(self.tensors)
        return write_atomically(path, lambda file: file.write_bytes(content))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Packed":
        """Read what `save` wrote.

        Raises:
            ArtifactError: the file is missing, of another kind, cut short or
                damaged.
        """
        try:
            return cls(decode(Path(path).read_bytes()))
        except OSError as error:
            raise ArtifactError(
                "a file of packed weights that can be read",
                f"{str(path)!r} ({error.strerror or error})",
                "Check the path.",
            ) from error
        except ArtifactError as error:
            raise ArtifactError(
                error.expected, f"{str(path)!r}: {error.received}", error.next_step
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Sizes as plain data, for JSON."""
        return {
            "bytes": self.nbytes,
            "dense_bytes": self.dense_nbytes,
            "weights": [
                {
                    "name": one.name,
                    "shape": list(one.shape),
                    "dtype": one.values.dtype.name,
                    "packed": one.is_packed,
                    "k": one.kept if one.layout else None,
                    "n": one.layout.length if one.layout else None,
                    "bytes": one.nbytes,
                    "dense_bytes": one.dense_nbytes,
                }
                for one in self.tensors
            ],
            "note": NOTE,
        }

    def __repr__(self) -> str:
        return f"<Packed, {self.nbytes:,} of {self.dense_nbytes:,} bytes>"

    def __str__(self) -> str:
        header = ("weight", "k of n", "rows", "packed bytes", "dense bytes")
        table = [header, *(_cells(one) for one in self.tensors if one.is_packed)]
        others = [one for one in self.tensors if not one.is_packed]
        rest = f"{sum(one.nbytes for one in others):,}"
        table.append(("dense, as they are", "", "", rest, rest))
        both = (f"{self.nbytes:,}", f"{self.dense_nbytes:,}")
        table.append(("total", "", "", *both))
        widths = [max(len(row[i]) for row in table) for i in range(len(header))]
        lines = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        lines += [
            f"left dense: {one.name}, whose longest row keeps {one.kept} of "
            f"{one.layout.length if one.layout else 0}"
            for one in self.left_dense
        ]
        return "\n".join([*lines, NOTE])


def _cells(one: PackedTensor) -> tuple[str, ...]:
    length = one.layout.length if one.layout else 0
    sizes = (f"{one.nbytes:,}", f"{one.dense_nbytes:,}")
    return (one.name, f"{one.kept} of {length}", f"{len(one.values):,}", *sizes)
