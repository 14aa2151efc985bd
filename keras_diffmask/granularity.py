"""What one element of a mask covers."""

import math
import re
from typing import Any

import numpy as np
from keras import ops

from keras_diffmask.errors import InvalidArgumentError

WEIGHT = "weight"
KERNEL = "kernel"
BLOCK = "block"
INPUT = "input"
CHANNEL = "channel"
BRANCH = "branch"

#: Every granularity, from the finest to the coarsest.
NAMES = (WEIGHT, KERNEL, BLOCK, INPUT, CHANNEL, BRANCH)

#: Those of a layer whose kernel is a matrix, and of one whose kernel has positions.
MATRIX = (WEIGHT, BLOCK, INPUT, CHANNEL)
SPATIAL = (WEIGHT, KERNEL, BLOCK, INPUT, CHANNEL)

# "neuron" is what the field calls a channel of a Dense or recurrent layer.
_SYNONYMS = {"neuron": CHANNEL, BLOCK: "block:4x4"}
_BLOCK = re.compile(r"block:([1-9]\d*)x([1-9]\d*)")


def get(name: str, allowed: tuple[str, ...] = NAMES) -> str:
    """Return the canonical granularity that `name` stands for.

    Args:
        name: what one gate covers:
            `"weight"`: one entry of the kernel;
            `"kernel"`: the 2-D (1-D, 3-D) slice of a convolution's kernel
            between one input and one output channel;
            `"block"` or `"block:4x4"`: so many inputs by so many units of the
            kernel, at all spatial positions;
            `"input"`: all that reads one input channel;
            `"channel"` (also `"neuron"`): all that makes one output unit;
            `"branch"`: a residual branch as a whole.
        allowed: the granularities that make sense where it is asked.

    Returns:
        The name without synonyms; a block with its size.

    Raises:
        InvalidArgumentError: the name is unknown, or not in `allowed`.
    """
    canonical = _SYNONYMS.get(name, name) if isinstance(name, str) else ""
    is_known = canonical in NAMES or _BLOCK.fullmatch(canonical)
    if not is_known or kind(canonical) not in allowed:
        more = {BLOCK: ["block:4x4"], CHANNEL: ["neuron"]}
        valid = [word for one in allowed for word in (one, *more.get(one, ()))]
        sizes = ", with any numbers in the place of 4x4" if BLOCK in allowed else ""
        raise InvalidArgumentError(
            f"granularity to be one of {', '.join(valid)}",
            f"granularity={name!r}",
            f"Pass one of these names{sizes}.",
        )
    return canonical


def kind(name: str) -> str:
    """The granularity without the size of its blocks."""
    return name.partition(":")[0]


def mask_shape(
    name: str, shape: tuple[int, ...], inputs: int | None, units: int
) -> tuple[int, ...]:
    """The shape of the mask of a kernel.

    Args:
        name: canonical granularity, but `"channel"` and `"branch"`.
        shape: the kernel's shape.
        inputs: the kernel's axis of inputs.
        units: its axis of output units.
    """
    if kind(name) == WEIGHT:
        return shape
    wide, high = shape[inputs], shape[units]  # type: ignore[index]
    if kind(name) == INPUT:
        return (wide,)
    if kind(name) == BLOCK:
        rows, columns = _block(name)
        return math.ceil(wide / rows), math.ceil(high / columns)
    keep = {axis % len(shape) for axis in (inputs, units)}  # type: ignore[operator]
    return tuple(size if axis in keep else 1 for axis, size in enumerate(shape))


def expand(
    name: str, mask: Any, shape: tuple[int, ...], inputs: int | None, units: int
) -> Any:
    """The mask as a tensor that multiplies the kernel; arguments as above."""
    if kind(name) in (WEIGHT, KERNEL):
        return mask
    first, last = inputs % len(shape), units % len(shape)  # type: ignore[operator]
    target = [1] * len(shape)
    target[first] = shape[first]
    if kind(name) == BLOCK:
        rows, columns = _block(name)
        mask = ops.repeat(ops.repeat(mask, rows, axis=0), columns, axis=1)
        mask = mask[: shape[first], : shape[last]]
        target[last] = shape[last]
        if last < first:  # a transposed convolution has its units in front
            mask = ops.transpose(mask)
    return ops.reshape(mask, target)


def reduce(
    name: str, values: np.ndarray, inputs: int | None, units: tuple[int, ...]
) -> np.ndarray:
    """The mean of a kernel's values under each element of the mask.

    Args:
        name: canonical granularity, but `"branch"`.
        values: an array of the kernel's shape.
        inputs: the kernel's axis of inputs.
        units: its axes of output units.
    """
    rank = values.ndim
    if kind(name) == WEIGHT:
        return values
    if kind(name) == CHANNEL:
        gated = {axis % rank for axis in units}
        return values.mean(axis=tuple(set(range(rank)) - gated)).reshape(-1)
    first, last = inputs % rank, units[-1] % rank  # type: ignore[operator]
    others = tuple(set(range(rank)) - {first, last})
    if kind(name) == KERNEL:
        return values.mean(axis=others, keepdims=True)
    if kind(name) == INPUT:
        return values.mean(axis=(*others, last))
    matrix = values.mean(axis=others)
    matrix = matrix.T if last < first else matrix
    for axis, size in enumerate(_block(name)):
        starts = np.arange(0, matrix.shape[axis], size)
        counts = np.diff([*starts, matrix.shape[axis]])
        sums = np.add.reduceat(matrix, starts, axis=axis)
        matrix = sums / (counts[:, None] if axis == 0 else counts)
    return matrix


def _block(name: str) -> tuple[int, int]:
    rows, columns = name.removeprefix("block:").split("x")
    return int(rows), int(columns)
