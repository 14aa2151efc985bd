"""Rows: which elements of a mask compete with each other."""

import math
from typing import Any

from keras import ops


class Rows:
    """Turns a mask's elements into rows of competitors, and back.

    Rows are made by a transpose: the competing axes go last, and of these the
    last of the mask's layout first. In every Keras kernel that is the axis of
    inputs, so that a tile, which is a part of a row, holds inputs that lie
    next to each other. A bare reshape to the mask's shape would mix the
    elements of different rows.

    Args:
        mask_shape: the mask's shape.
        axes: those of its axes whose elements compete, in [0, rank).
        tiles: how many rows the elements of each combination of the other
            axes are split into.

    Example:

    >>> from keras_diffmask.estimators.rows import Rows
    >>> rows = Rows((3, 3, 8, 16), axes=(0, 1, 2), tiles=2)
    >>> rows.count, rows.competitors
    (32, 36)
    """

    def __init__(
        self, mask_shape: tuple[int, ...], axes: tuple[int, ...], tiles: int = 1
    ) -> None:
        competing = sorted(axes)
        competing = [*competing[-1:], *competing[:-1]]
        others = [a for a in range(len(mask_shape)) if a not in competing]
        self._order = [*others, *competing]
        self._back = [self._order.index(a) for a in range(len(mask_shape))]
        self._transposed = [mask_shape[a] for a in self._order]
        #: How many elements a row has.
        self.competitors = math.prod(mask_shape[a] for a in competing) // tiles
        #: How many rows there are.
        self.count = math.prod(mask_shape) // self.competitors

    def split(self, tensor: Any) -> Any:
        """A tensor in the mask's shape, as `(count, competitors)`."""
        flat = (self.count, self.competitors)
        return ops.reshape(ops.transpose(tensor, self._order), flat)

    def join(self, rows: Any) -> Any:
        """What `split` was given."""
        return ops.transpose(ops.reshape(rows, self._transposed), self._back)
