"""Questions about a layer's weights, asked without copies in a wider type."""

from typing import Any

import keras
import numpy as np


def array(weight: Any) -> np.ndarray:
    """The weight as a NumPy array."""
    return keras.ops.convert_to_numpy(weight)


def nonzero(kernel: Any) -> np.ndarray:
    """Bool `(in, out)`: whether any tap of `kernel[..., in, out]` is not 0."""
    values = array(kernel)
    return np.any(values.reshape((-1, *values.shape[-2:])) != 0, axis=0)


def summed_rows(kernel: Any, rows: Any) -> np.ndarray:
    """Rows of `kernel[..., in, out]`, summed over the taps in float64."""
    values = array(kernel)
    values = values.reshape((-1, *values.shape[-2:]))
    return values[:, rows].astype(np.float64).sum(axis=0)


def block_diagonal(inside: np.ndarray, groups: int) -> np.ndarray:
    """From `(in / g, out)` of a grouped kernel to `(in, out)`."""
    read, written = inside.shape
    blocks = np.zeros((groups, read, groups, written // groups), inside.dtype)
    parts = inside.reshape(read, groups, -1)
    for group in range(groups):
        blocks[group, :, group] = parts[:, group]
    return blocks.reshape(groups * read, written)


def taps(kernel: Any) -> int:
    """How often a kernel holds one pair of channels."""
    return int(np.prod(kernel.shape[:-2], dtype=np.int64))


def bias(layer: Any, size: int) -> np.ndarray:
    """The bias in float64, zeros where there is none."""
    if not layer.use_bias:
        return np.zeros(size)
    return array(layer.bias).astype(np.float64)


def changed(serialized: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A layer inside of a configuration, with changes to its own.

    Without the shape it was built on, from which Keras would build it again.
    """
    rest = {name: v for name, v in serialized.items() if name != "build_config"}
    return {**rest, "config": {**serialized["config"], **changes}}


def is_quantized(layer: Any) -> bool:
    """Whether `kernel` holds integers, which are not all that it multiplies by."""
    return getattr(layer, "quantization_mode", None) is not None
