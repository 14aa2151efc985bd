"""A mask times a tensor, and where 0 stays 0."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops


def is_zero_at_zero(activation: Callable[[Any], Any] | None) -> bool:
    """Whether a closed unit is still 0 after `activation`."""
    if activation is None:
        return True
    # Two columns: over a single one softmax would be constant, not 1/2.
    return not np.any(ops.convert_to_numpy(activation(ops.zeros((1, 2)))))


def along(mask: Any, axes: int | tuple[int, ...], shape: Any) -> Any:
    """Reshape a vector so that it fills `axes` of a tensor of `shape`.

    A mask that has the tensor's rank is shaped already; one of a single
    element, that of a whole branch, multiplies all of the tensor.
    """
    if len(mask.shape) == len(shape) > 1:
        return mask
    target = [1] * len(shape)
    for axis in as_axes(axes) if math.prod(mask.shape) > 1 else ():
        target[axis] = shape[axis]
    return ops.reshape(mask, target)


def as_axes(axes: int | tuple[int, ...]) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else axes


def multiply(tensor: Any, mask: Any) -> Any:
    """tensor * mask, in the tensor's dtype."""
    tensor = ops.convert_to_tensor(tensor)
    return tensor * ops.cast(mask, tensor.dtype)
