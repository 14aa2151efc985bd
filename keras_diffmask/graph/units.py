"""Units: the channels of a model, and which of them are one and the same."""

import numpy as np


class UnitTable:
    """A union-find over integers, each standing for one channel somewhere.

    A tensor's channels are an integer array, its *ids*, that broadcasts
    against the tensor's shape without the batch: `(1, 1, C)` behind a
    convolution, `(H * W * C,)` behind a Flatten. Two entries with one root
    live and die together.
    """

    def __init__(self) -> None:
        self._parent = np.zeros(1024, np.int64)
        self._size = 0
        self._pins: list[tuple[np.ndarray, str]] = []

    def __len__(self) -> int:
        return self._size

    def new(self, count: int) -> np.ndarray:
        """`count` fresh units."""
        start, self._size = self._size, self._size + count
        if self._size > len(self._parent):
            # Doubled, so that a model of n layers is read in O(n).
            room = np.zeros(2 * self._size - len(self._parent), np.int64)
            self._parent = np.concatenate([self._parent, room])
        ids = np.arange(start, self._size)
        self._parent[ids] = ids
        return ids

    def root(self, ids: np.ndarray) -> np.ndarray:
        """The representative of each id."""
        roots = self._parent[ids]
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                break
            roots = above
        self._parent[ids] = roots
        return roots

    def roots(self) -> np.ndarray:
        """The representative of every id there is."""
        return self.root(np.arange(self._size))

    def tie(self, a: np.ndarray, b: np.ndarray) -> None:
        """Make a[i] and b[i] one unit, for every i."""
        a, b = (side.reshape(-1) for side in np.broadcast_arrays(a, b))
        while True:
            roots_a, roots_b = self.root(a), self.root(b)
            differ = roots_a != roots_b
            if not differ.any():
                return
            low = np.minimum(roots_a, roots_b)[differ]
            high = np.maximum(roots_a, roots_b)[differ]
            # Where one `high` meets two `low`, the later write wins and the
            # next round of the loop ties what is left.
            self._parent[high] = low

    def pin(self, ids: np.ndarray, reason: str) -> None:
        """Say that these units must stay, and why. The first reason holds."""
        self._pins.append((ids.reshape(-1), reason))

    def pinned(self) -> dict[int, str]:
        """Root -> reason, for every unit that must stay."""
        reasons: dict[int, str] = {}
        for ids, reason in self._pins:
            for unit in np.unique(self.root(ids)).tolist():
                reasons.setdefault(unit, reason)
        return reasons
