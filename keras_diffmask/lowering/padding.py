"""Whether a padding layer is what the convolution behind it would do by itself."""

from typing import Any


def pads(layer: Any) -> tuple[tuple[int, int], ...]:
    """Of a ZeroPadding layer, before and after, along each axis."""
    given = layer.padding
    if isinstance(given[0], int):
        given = (given,)
    return tuple((int(before), int(after)) for before, after in given)


def same_pads(layer: Any, shape: Any) -> tuple[tuple[int, int], ...] | None:
    """What padding "same" adds to an input of this shape, the batch included.

    Args:
        layer: a convolution.
        shape: of the input before it is padded.
    """
    if not hasattr(layer, "kernel_size") or getattr(layer, "groups", 1) != 1:
        return None
    found = []
    sizes = zip(
        shape[1:-1], layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
    )
    for size, kernel, stride, rate in sizes:
        if size is None:
            return None
        reach = (kernel - 1) * rate + 1
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + reach - size, 0)
        found.append((total // 2, total - total // 2))
    return tuple(found)
