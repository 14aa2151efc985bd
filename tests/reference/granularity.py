"""Which mask element covers which kernel entry, in loops over the entries."""

import numpy as np


def element_of(
    level: str, entry: tuple[int, ...], inputs: int | None, units: int
) -> tuple[int, ...]:
    """The element of the mask that covers an entry of the kernel, from the words."""
    if level == "weight":
        return entry
    i, u = entry[inputs], entry[units]  # type: ignore[index]
    if level == "input":
        return (i,)
    if level == "kernel":
        rank = len(entry)
        places = {rank + inputs: i, rank + units: u}  # type: ignore[operator]
        return tuple(places.get(axis, 0) for axis in range(rank))
    high, wide = map(int, level.removeprefix("block:").split("x"))
    return i // high, u // wide


def mask_shape_of(
    level: str, shape: tuple[int, ...], inputs: int | None, units: int
) -> tuple[int, ...]:
    """One more than the largest element that covers anything."""
    covering = [element_of(level, e, inputs, units) for e in np.ndindex(*shape)]
    return tuple(int(size) for size in np.max(covering, axis=0) + 1)


def expanded(
    level: str,
    mask: np.ndarray,
    shape: tuple[int, ...],
    inputs: int | None,
    units: int,
) -> np.ndarray:
    """The mask in the kernel's shape."""
    factor = np.zeros(shape, mask.dtype)
    for entry in np.ndindex(*shape):
        factor[entry] = mask[element_of(level, entry, inputs, units)]
    return factor
