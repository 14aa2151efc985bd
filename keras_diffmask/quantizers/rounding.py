"""The arithmetic of fake quantization: real numbers on a grid of integers.

Straight-through: forward the rounded value, backward the identity, within the
range that the integers cover.
"""

from typing import Any

import numpy as np
from keras import ops

from keras_diffmask.gradients import straight_through

#: The largest finite number: what is beyond it is outside of any range.
_MOST = float(np.finfo(np.float32).max)


def largest(bits: int) -> int:
    """The largest integer of a symmetric grid: 127 of 8 bits, 7 of 4."""
    return 2 ** (bits - 1) - 1


def symmetric_scale(values: Any, axes: tuple[int, ...], bits: int) -> Any:
    """max|w| / (2^(bits-1) - 1), one number per index along `axes`.

    Args:
        values: float32 tensor.
        axes: what has a scale of its own each; () for one scale in all.
        bits: width of the integers.

    Returns:
        The scale, shaped to multiply `values`; 1 where they are all 0.
    """
    scale = step_of(values, axes, bits)
    return ops.where(scale > 0.0, scale, ops.ones_like(scale))


def step_of(values: Any, axes: tuple[int, ...], bits: int) -> Any:
    """The same, but 0 where the values are all 0."""
    rank = len(values.shape)
    own = {axis % rank for axis in axes}
    others = tuple(axis for axis in range(rank) if axis not in own)
    return ops.max(ops.abs(values), axis=others, keepdims=True) / largest(bits)


def on_symmetric_grid(
    values: Any, axes: tuple[int, ...], bits: int, counted: Any = None
) -> Any:
    """round(w / s) * s with s from `symmetric_scale`; straight-through.

    Args:
        values: float32 tensor.
        axes: as for `symmetric_scale`.
        bits: width of the integers.
        counted: what the scale is of, where that is not `values`.
    """
    counted = values if counted is None else counted
    scale = ops.stop_gradient(symmetric_scale(counted, axes, bits))
    return straight_through(ops.round(values / scale) * scale, values)


def nudged(low: Any, high: Any, bits: int) -> tuple[Any, Any, Any]:
    """The range, moved such that 0 is one of its integers exactly.

        s = (high - low) / (2^bits - 1),  z = round(-low / s)
        low' = -z s,  high' = (2^bits - 1 - z) s

    Args:
        low: scalar tensor, at most 0.
        high: scalar tensor, at least 0.
        bits: width of the integers.

    Returns:
        (low', high', s); a range without width becomes one around 0.
    """
    levels = 2**bits - 1
    width = high - low
    scale = ops.where(width > 0.0, width / levels, ops.ones_like(width))
    zero = ops.clip(ops.round(-low / scale), 0, levels)
    return -zero * scale, (levels - zero) * scale, scale


def on_asymmetric_grid(
    values: Any, low: Any, high: Any, bits: int, acts: Any = True
) -> Any:
    """The values clipped to the nudged range and rounded; straight-through.

        round(clip(x, low', high') / s) s

    Backward: 1 for a value inside the range, limits included, and 0 outside. `low`
    and `high` get no gradient here; see `push_on_limits`.

    Args:
        values: tensor, taken as float32.
        low: scalar tensor, at most 0.
        high: scalar tensor, at least 0.
        bits: width of the integers.
        acts: bool, or a scalar tensor of it; where it is False the values come out
            as they are.
    """
    values = ops.convert_to_tensor(values, dtype="float32")
    bottom, top, scale = _nudged_limits(low, high, bits)
    # With a range that every number is inside of, gradients need not know the rest.
    bottom, top = ops.where(acts, bottom, -_MOST), ops.where(acts, top, _MOST)
    acts = ops.cast(acts, "float32")
    return _clipped_and_rounded(values, bottom, top, scale, acts)


@ops.custom_gradient
def _clipped_and_rounded(
    values: Any, bottom: Any, top: Any, scale: Any, acts: Any
) -> Any:
    # A gradient of its own: automatic ones keep and pass over several tensors more,
    # and half of a training step was spent here. Each line is one pass.
    clipped = ops.minimum(ops.maximum(values, bottom), top)
    grid = ops.round(clipped / scale) * scale

    def gradient(*args: Any, upstream: Any = None) -> Any:
        upstream = args[0] if upstream is None else upstream
        # By arithmetic, for torch is slow at comparisons.
        outside = ops.sign(ops.abs(clipped - values))
        none = ops.zeros_like(scale)
        return upstream * (1.0 - outside), none, none, none, none

    return ops.where(acts > 0.5, grid, values), gradient


def push_on_limits(values: Any, low: Any, high: Any, bits: int) -> Any:
    """Zeros whose gradient is what the clipping of `on_asymmetric_grid` hands on.

    Backward: to `high` that of each value above the range, to `low` below it.
    """
    values, low, high = (
        ops.convert_to_tensor(x, dtype="float32") for x in (values, low, high)
    )
    bottom, top, _ = _nudged_limits(low, high, bits)
    still = ops.stop_gradient(values)
    above, below = ops.cast(still > top, "float32"), ops.cast(still < bottom, "float32")
    pull_up, pull_down = high - ops.stop_gradient(high), low - ops.stop_gradient(low)
    return above * pull_up + below * pull_down


def _nudged_limits(low: Any, high: Any, bits: int) -> list[Any]:
    low, high = (ops.convert_to_tensor(x, dtype="float32") for x in (low, high))
    return [ops.stop_gradient(x) for x in nudged(low, high, bits)]
