"""Sizes of activations as arrays, to be multiplied by open units."""

import numpy as np

from keras_diffmask.lowering import Size


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
