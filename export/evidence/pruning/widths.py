"""The largest width, as a share of a layer's channels, that something allows."""

from collections.abc import Callable

#: Steps in which a width is looked for: every channel of the widest layer counts.
STEPS = 256


def largest(fits: Callable[[float], bool]) -> float:
    """The largest width that fits.

    Args:
        fits: whether a width from 0 to 1 does; what fits, fits when it is
            narrower as well.
    """
    low, high = 0, STEPS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle / STEPS) else (low, middle - 1)
    return low / STEPS
