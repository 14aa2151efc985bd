"""Axes: along which axis of a tensor its channels lie.

Of every tensor, the ids run along one axis only, and have size 1 along all
others: what is cut from a tensor has to be a slice.
"""

import numpy as np

from keras_diffmask.graph.units import UnitTable


def channel_axis(ids: np.ndarray) -> int:
    """The axis along which ids run, counted without the batch."""
    long = [axis for axis, size in enumerate(ids.shape) if size > 1]
    return long[-1] if long else ids.ndim - 1


def on_last_axis(ids: np.ndarray) -> bool:
    """Whether the channels lie where convolutions and Dense look for them."""
    return ids.ndim > 0 and ids.size == ids.shape[-1]


def explicit(ids: np.ndarray, size: int | None) -> np.ndarray:
    """Ids of which one stands for all, repeated along a last axis of that size.

    Of `x[:, :, 3]` every entry belongs to one channel.
    """
    if ids.size == 1 and ids.ndim and size is not None and size > 1:
        return np.repeat(ids, size, axis=-1)
    return ids


def spread(ids: np.ndarray, rank: int, axis: int = -1) -> np.ndarray:
    """A vector, shaped to run along `axis` of `rank` axes."""
    shape = [1] * rank
    shape[axis] = ids.size
    return ids.reshape(shape)


def settle(units: UnitTable, ids: np.ndarray) -> np.ndarray:
    """Let ids run along one axis, tying what varies along the others.

    The longest of the axes along which they vary is the one that stays: a
    map of C = 4 x 16 channels split into `(4, 16)` can lose any of 16 slices.
    """
    roots = units.root(ids)
    varying = [
        axis
        for axis in range(ids.ndim)
        if np.any(roots != np.take(roots, [0], axis=axis))
    ]
    chosen = ids.ndim - 1
    if varying:
        chosen = max(varying, key=lambda axis: (ids.shape[axis], axis))
    for axis in range(ids.ndim):
        if axis != chosen:
            first = np.take(ids, [0], axis=axis)
            if axis in varying:
                units.tie(ids, first)
            ids = first
    return ids
