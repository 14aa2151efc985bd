"""Bilinear interpolation in many small tables at once, differentiable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops


@dataclass(frozen=True)
class Grid:
    """Values at some places of a plane.

    Attributes:
        x: where it was looked at along the first axis, rising.
        y: the same along the second.
        values: `values[i][j]` at `(x[i], y[j])`.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, x: Sequence[float], y: Sequence[float]) -> "Grid":
        """The same with only some of its places."""
        rows = [self.x.index(place) for place in x]
        columns = [self.y.index(place) for place in y]
        values = np.asarray(self.values)[np.ix_(rows, columns)]
        return Grid(tuple(x), tuple(y), tuple(map(tuple, values.tolist())))


class Interpolation:
    """One value per grid, bilinear between its places and constant beyond them.

    With u_k(x) = clip((x - x_{k-1}) / (x_k - x_{k-1}), 0, 1), u_0 = 1, and the
    mixed differences D of a grid's values (a first row or column differs from
    0),

        f(x, y) = sum_kl D_kl u_k(x) u_l(y)

    which needs no look-up, and so runs on tensors of any backend.

    Args:
        grids: may be of different sizes.
    """

    def __init__(self, grids: Sequence[Grid]) -> None:
        rows = max((len(grid.x) for grid in grids), default=1)
        columns = max((len(grid.y) for grid in grids), default=1)
        self._differences = np.zeros((len(grids), rows, columns))
        for into, grid in zip(self._differences, grids, strict=True):
            values = np.asarray(grid.values, np.float64)
            values = np.diff(values, axis=0, prepend=0.0)
            values = np.diff(values, axis=1, prepend=0.0)
            into[: len(grid.x), : len(grid.y)] = values
        self._x = _ramps([grid.x for grid in grids], rows)
        self._y = _ramps([grid.y for grid in grids], columns)

    def __call__(self, xp: Any, x: Any, y: Any) -> Any:
        """The values at one point per grid.

        Args:
            xp: NumPy, or `keras.ops` for tensors.
            x: `(grids, 1)`.
            y: `(grids, 1)`.

        Returns:
            `(grids,)`, in float64 under NumPy and float32 as tensors.
        """
        table = _tensor if xp is ops else np.asarray
        (u, v) = (
            xp.clip((place - table(start)) / table(width), 0.0, 1.0)
            for place, (start, width) in ((x, self._x), (y, self._y))
        )
        products = xp.expand_dims(u, 2) * xp.expand_dims(v, 1)
        return xp.sum(table(self._differences) * products, axis=(1, 2))


def _ramps(places: list[tuple[float, ...]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each ramp starts, and how wide it is; the first has always ended."""
    starts, widths = np.zeros((2, len(places), size))
    widths += 1.0
    starts[:, 0] = -1e9
    for start, width, along in zip(starts, widths, places, strict=True):
        start[1 : len(along)] = along[:-1]
        width[1 : len(along)] = np.diff(along)
    return starts, widths


def _tensor(array: np.ndarray) -> Any:
    # Torch does not multiply with arrays.
    return ops.convert_to_tensor(array.astype(np.float32))
