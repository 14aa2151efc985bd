"""The probability that what lies in a residual branch is still there."""

import math
from collections.abc import Sequence
from typing import Any

from keras_diffmask.lowering.program import Alive


def lives(xp: Any, values: list[Any], sets: Alive) -> Any:
    """P(all gates of one of the sets are open somewhere), for independent gates.

    Args:
        xp: NumPy, or `keras.ops`.
        values: per gate its values in [0, 1], shape `(units,)`.
        sets: the sets of gates that something lives with; none where it always
            does.

    Returns:
        A scalar, differentiable in the values; 1.0 where there is no set.
    """
    if not sets:
        return 1.0
    gates = {gate for inside in sets for gate in inside}
    there = {gate: 1.0 - xp.prod(1.0 - values[gate]) for gate in gates}
    gone = [1.0 - math.prod(there[gate] for gate in inside) for inside in sets]
    return 1.0 - math.prod(gone)


def survival(xp: Any, values: list[Any], around: Sequence[Alive]) -> Any:
    """`lives` of several things at once, as a column.

    Args:
        xp: NumPy, or `keras.ops`.
        values: per gate its values in [0, 1], shape `(units,)`.
        around: per operator or buffer, the sets of gates that it lives with.

    Returns:
        `(len(around), 1)`, differentiable in the values.
    """
    one = xp.ones_like(xp.sum(values[0]))
    found = {sets: one * lives(xp, values, sets) for sets in around}
    return xp.reshape(xp.stack([found[sets] for sets in around]), (-1, 1))
