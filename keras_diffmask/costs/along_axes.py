"""Sizes of activations as arrays, to be multiplied by open units."""

from typing import Any

import numpy as np
from keras import ops

from keras_diffmask.lowering import Size


def open_units(xp: Any, values: list[Any]) -> Any:
    """The sums of the values of each gate, and 1 last: `(gates + 1, 1)`.

    Args:
        xp: NumPy, or `keras.ops` for tensors.
        values: per gate its values in [0, 1], shape `(units,)`.
    """
    one = xp.sum(np.ones((), np.float32 if xp is ops else np.float64))
    return xp.reshape(xp.stack([*(xp.sum(v) for v in values), one]), (-1, 1))


def along_axes(counts: list[tuple[Size, float]], gates: int) -> list[np.ndarray]:
    """Sizes times a factor each, per open unit of each gate and the constant.

    Args:
        counts: sizes with the factor that multiplies each.
        gates: how many gates there are.

    Returns:
        One `(len(counts), gates + 1)` per axis; a size is the product of what
        they give, and an axis that it does not have gives 1.
    """
    most = max([len(size.axes) for size, _ in counts] or [0])
    tables = [np.zeros((len(counts), gates + 1)) for _ in range(max(most, 1))]
    for place, (size, factor) in enumerate(counts):
        for k, table in enumerate(tables):
            times = size.factor * factor if k == 0 else 1.0
            for gate, number in size.axes[k] if k < len(size.axes) else ((-1, 1.0),):
                table[place, gate] += times * number
    return tables
