"""The arithmetic of fake quantization: real numbers on a grid of integers.

Straight-through: forward the rounded value, backward the identity, within the
range that the integers cover.
"""

from typing import Any

from keras import ops


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
    rank = len(values.shape)
    own = {axis % rank for axis in axes}
    others = tuple(axis for axis in range(rank) if axis not in own)
    top = ops.max(ops.abs(values), axis=others, keepdims=True)
    return ops.where(top > 0.0, top / largest(bits), ops.ones_like(top))


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
    return through(values, ops.round(values / scale) * scale)


def through(values: Any, rounded: Any) -> Any:
    """`rounded` forward, the gradient of `values` backward."""
    return values + ops.stop_gradient(rounded - values)


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


def on_asymmetric_grid(values: Any, low: Any, high: Any, bits: int) -> Any:
    """The values clipped to the nudged range and rounded; straight-through.

    Backward: 1 for a value inside the range, 0 outside; what is clipped hands
    its gradient to `low` or `high`.
    """
    values, low, high = (
        ops.convert_to_tensor(x, dtype="float32") for x in (values, low, high)
    )
    bottom, top, scale = (ops.stop_gradient(x) for x in nudged(low, high, bits))
    # The nudged numbers forward, and the gradient of the given ones backward.
    # By comparison: at the limits backends part on the gradient of a maximum.
    below, above = through(low, bottom), through(high, top)
    clipped = ops.where(values > top, above, values)
    clipped = ops.where(values < bottom, below, clipped)
    steps = ops.round((clipped - bottom) / scale)
    return through(clipped, steps * scale + bottom)
