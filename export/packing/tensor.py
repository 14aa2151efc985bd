"""One weight of a model in its packed form, or dense."""

import math
from dataclasses import dataclass, field

import numpy as np

from keras_diffmask.export.packing import rows
from keras_diffmask.export.packing.rows import RowLayout


@dataclass(frozen=True, eq=False)
class PackedTensor:
    """A weight, as the k values that each row keeps and their places, or whole.

    Args:
        name: the weight's path in the model, such as `"dense/kernel"`.
        shape: of the weight.
        layout: how it is cut into rows; None where it has none (a bias).
        kept: k, the most places that a row keeps; 0 where there are no rows.
        values: `(rows, k, width)` where packed, else the weight itself.
        places: `(rows, k)`, ascending in each row; None where it is dense.
    """

    name: str
    shape: tuple[int, ...]
    layout: RowLayout | None
    kept: int
    values: np.ndarray = field(repr=False)
    places: np.ndarray | None = field(repr=False, default=None)

    @property
    def is_packed(self) -> bool:
        return self.places is not None

    @property
    def index_bytes(self) -> int:
        """Bytes of all indices."""
        if self.places is None or self.layout is None:
            return 0
        return len(self.places) * self.layout.index_bytes(self.kept)

    @property
    def nbytes(self) -> int:
        """rows * (k * width * bytes per value + ceil(k * ceil(log2 n) / 8))."""
        return self.values.nbytes + self.index_bytes

    @property
    def dense_nbytes(self) -> int:
        """Bytes of the weight as it is in the model."""
        return math.prod(self.shape) * self.values.dtype.itemsize

    def array(self) -> np.ndarray:
        """The weight, bit for bit."""
        if self.places is None or self.layout is None:
            return self.values
        full = rows.scatter(self.values, self.places, self.layout.length)
        return self.layout.join(full, self.shape)

    @classmethod
    def dense(
        cls,
        name: str,
        array: np.ndarray,
        layout: RowLayout | None = None,
        kept: int = 0,
    ) -> "PackedTensor":
        """A weight that stays as it is."""
        return cls(name, array.shape, layout, kept, array)

    @classmethod
    def of_rows(
        cls,
        name: str,
        array: np.ndarray,
        layout: RowLayout,
        keep: np.ndarray | None = None,
    ) -> "PackedTensor":
        """A weight by rows, or dense where that takes no more bytes.

        Args:
            name: its path.
            array: the weight.
            layout: how it is cut.
            keep: boolean `(rows, n)`, places to store though they hold 0.
        """
        split = layout.split(array)
        stored = rows.kept_places(split)
        # A kept weight that is 0 has its place as well.
        keep = stored if keep is None else keep | stored
        values, places = rows.gather(split, keep)
        packed = cls(name, array.shape, layout, places.shape[1], values, places)
        if packed.nbytes < packed.dense_nbytes:
            return packed
        return cls.dense(name, array, layout, packed.kept)
