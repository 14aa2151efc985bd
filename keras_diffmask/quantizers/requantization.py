"""How a kernel of the device brings what it computes to 8 bits.

After TFLite's reference kernels, which TFLM has too. A kernel sums products of
integers, with its bias as one of 32 bits, and multiplies the sum by the ratio of two
scales, of which it has 31 bits and a shift: it rounds after the one, and again after
the other. Behind a convolution one value in several hundred comes out different from a
product that is rounded once, behind a mean one in four, and the layers behind enlarge
the difference.
"""

from dataclasses import dataclass, replace
from typing import Any

from keras import ops

from keras_diffmask.gradients import straight_through
from keras_diffmask.quantizers.rounding import nudged

#: Integers of 8 bits, as the device stores them between two layers.
STORED = "stored"
#: Sums of 32 bits, in a kernel.
SUM = "sum"
#: Averages of stored integers, which keep their scale.
AVERAGE = "average"

# The smallest step, in scales of the result, of which sums of 32 bits reach one.
_LEAST = 2.0**-31
# What real numbers that ought to lie halfway between two integers miss it by.
_HALF = 0.5001


@dataclass(frozen=True)
class Multiples:
    """What the numbers of a tensor are multiples of on the device.

    Attributes:
        step: t, the number that the integer 1 stands for: a tensor that broadcasts
            against the numbers, and is 0 where they are no integers.
        kind: `STORED`, `SUM` or `AVERAGE`.
        count: n, of how many stored integers the kernel takes the mean; t is the
            scale of these over n.
        roundings: how often the kernel rounds a product; 1 in FULLY_CONNECTED.
    """

    step: Any
    kind: str = SUM
    count: int = 1
    roundings: int = 2

    def times(self, factor: Any) -> "Multiples":
        """Those of the product with `factor`, as sums."""
        return replace(self, step=self.step * ops.abs(factor), kind=SUM)


def requantized(values: Any, source: Multiples, low: Any, high: Any, bits: int) -> Any:
    """What a kernel writes that computed `values`.

    Of sums, of which 1 stands for t, where s is the scale of the range:

        a = round(x / t),   p = 2^max(floor(log2 n) - e, 0)
        with t n / s = m 2^e and 1/2 <= m < 1
        y = s clip(round(floor(a p t / s + 1/2) / p))

    Of averages, with z the zero point:

        y = s (clip(round(x / s + z)) - z)

    `round` takes halves away from 0. FULLY_CONNECTED of LiteRT rounds once, and halves
    up. Backward the identity inside of the range, and nothing for its limits.

    Args:
        values: float32 tensor, with bias and activation.
        source: what they are multiples of.
        low: scalar tensor, at most 0.
        high: scalar tensor, at least 0.
        bits: width of the result.

    Returns:
        Float32 tensor on the grid of the range; where `source.step` is 0, that of
        `rounding.on_asymmetric_grid`.
    """
    bottom, top, scale = nudged(low, high, bits)
    # A step too small to count with is none.
    known = source.step > scale * _LEAST
    if source.kind == AVERAGE:
        zero = ops.round(-bottom / scale) - 2 ** (bits - 1)
        integers = _half_away(values / scale + zero, _HALF) - zero
    else:
        integers = _multiplied(
            values, source, ops.where(known, source.step, scale), scale
        )
    integers = ops.where(known, integers, ops.round(values / scale))
    first, last = ops.round(bottom / scale), ops.round(top / scale)
    exact = ops.minimum(ops.maximum(integers, first), last) * scale
    bottom, top = ops.stop_gradient(bottom), ops.stop_gradient(top)
    return straight_through(exact, ops.minimum(ops.maximum(values, bottom), top))


def _multiplied(values: Any, source: Multiples, step: Any, scale: Any) -> Any:
    sums, ratio = ops.round(values / step), step / scale
    if source.roundings == 1:
        return ops.floor(sums * ratio + 0.5)
    shift = source.count.bit_length() - 1.0 - _exponent(ratio * source.count)
    # Rounded, for a compiled power of 2 may miss it by a little.
    power = ops.round(2.0 ** ops.maximum(shift, 0.0))
    return _half_away(ops.floor(sums * (ratio * power) + 0.5) / power)


def _exponent(ratio: Any) -> Any:
    """e of ratio = m 2^e with 1/2 <= m < 1."""
    exponent = ops.floor(ops.log2(ratio)) + 1.0
    # The logarithm of what is almost a power of 2 may be on its other side.
    mantissa = ratio / 2.0**exponent
    exponent = ops.where(mantissa >= 1.0, exponent + 1.0, exponent)
    return ops.where(mantissa < 0.5, exponent - 1.0, exponent)


def _half_away(values: Any, half: float = 0.5) -> Any:
    return ops.sign(values) * ops.floor(ops.abs(values) + half)
