"""The probability that what lies in a residual branch is still there."""

import math
from collections.abc import Sequence
from typing import Any

from keras_diffmask.lowering.program import Alive


def survival(xp: Any, values: list[Any], around: Sequence[Alive]) -> Any:
    """P(all gates of one of the sets are open somewhere), for independent gates.

    Args:
        xp: NumPy, or `keras.ops`.
        values: per gate its values in [0, 1], shape `(units,)`.
        around: per operator or buffer, the sets of gates that it lives with;
            none where it always does.

    Returns:
        `(len(around), 1)`, differentiable in the values.
    """
    gates = {g for sets in around for inside in sets for g in inside}
    there = {g: 1.0 - xp.prod(1.0 - values[g]) for g in gates}
    always = xp.ones_like(next(iter(there.values())))

    def lives(sets: Alive) -> Any:
        gone = [1.0 - math.prod(there[g] for g in inside) for inside in sets]
        return 1.0 - math.prod(gone) if sets else always

    return xp.reshape(xp.stack([lives(sets) for sets in around]), (-1, 1))
