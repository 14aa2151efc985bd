"""Inputs for measuring, where their values do not matter."""

from typing import Any

import numpy as np


def random_inputs(details: list[dict[str, Any]], seed: int = 0) -> list[np.ndarray]:
    """Draws one value for each input.

    Args:
        details: the interpreter's `get_input_details()`.
        seed: seed of the draw.

    Returns:
        Floats in [-1, 1); 8- and 16-bit integers over their whole range; wider
        integers 0 or 1, which are valid indices of any table; booleans.
    """
    generator = np.random.default_rng(seed)
    return [_random(generator, d["shape"], np.dtype(d["dtype"])) for d in details]


def _random(
    generator: np.random.Generator, shape: np.ndarray, dtype: np.dtype
) -> np.ndarray:
    if dtype.kind == "f":
        return generator.uniform(-1.0, 1.0, shape).astype(dtype)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return generator.integers(0, 2, shape).astype(dtype)
