"""NumPy oracle of TFLite's integer kernels, in integers, from their specification.

Quantized multiplication of gemmlowp: a multiplier of 31 bits, and a shift.
"""

import math

import numpy as np


def multiplier(ratio: float) -> tuple[int, int]:
    """(m, e): ratio = m 2^-31 2^e, where 2^30 <= m < 2^31."""
    fraction, exponent = math.frexp(ratio)
    whole = round(fraction * 2**31)
    return (whole // 2, exponent + 1) if whole == 2**31 else (whole, exponent)


def twice(sums: np.ndarray, whole: int, exponent: int) -> np.ndarray:
    """Doubling high multiplication, then a shift to the right: each rounds."""
    wide = (sums.astype(object) * 2 ** max(exponent, 0)) * whole
    nudged = [x + (2**30 if x >= 0 else 1 - 2**30) for x in wide]
    high = np.array([int(math.copysign(abs(x) >> 31, x)) for x in nudged], "int64")
    places = max(-exponent, 0)
    if places == 0:
        return high
    return np.sign(high) * ((np.abs(high) + (1 << (places - 1))) >> places)


def once(sums: np.ndarray, whole: int, exponent: int) -> np.ndarray:
    """One shift to the right, halves up."""
    places = 31 - exponent
    wide = [int(x) * whole + (1 << (places - 1)) for x in sums]
    return np.array([x >> places for x in wide], "int64")


def mean(sums: np.ndarray, ratio: float, count: int) -> np.ndarray:
    """Sums of `count` integers, divided by it in the multiplier."""
    whole, exponent = multiplier(ratio)
    more = min(count.bit_length() - 1, 32, 31 + exponent)
    return twice(sums, (whole << more) // count, exponent - more)


def average(sums: np.ndarray, count: int) -> np.ndarray:
    """Integer division, halves away from 0."""
    return np.sign(sums) * ((np.abs(sums) + count // 2) // count)
