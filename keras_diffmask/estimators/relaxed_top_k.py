"""The k largest of each row, with the gradient of k masked softmaxes."""

from typing import Any

import numpy as np
from keras import ops

from keras_diffmask.estimators.estimator import straight_through

# exp(-80) is 2e-35: its inverse, summed over a row, is still a float32.
_LEAST_EXPONENT = -80.0


def relaxed_top_k(s: Any, k: int, temperature: Any) -> Any:
    """1 for the k largest of each row, else 0, with a gradient.

    Args:
        s: float32 tensor of shape `(..., n)`.
        k: int in [1, n).
        temperature: float or scalar tensor, > 0.

    Returns:
        A tensor of the shape of `s`: exact zeros and ones, whose gradient is
        that of `masked_softmaxes`.
    """
    order = ops.argsort(-ops.stop_gradient(s))
    soft = masked_softmaxes(ops.take_along_axis(s, order, axis=-1), k, temperature)
    mask = straight_through(ops.ones_like(soft) * _first(k, s.shape[-1]), soft)
    return ops.take_along_axis(mask, ops.argsort(order), axis=-1)


def masked_softmaxes(descending: Any, k: int, temperature: Any) -> Any:
    """The sum of k softmaxes, the j-th without the j - 1 largest elements.

    Its normalizer is the sum of all exponentials from the j-th on, so that two
    cumulative sums stand for a tensor of k times the size, and for the loop
    over k, forward and backward.

    Args:
        descending: float32 tensor of shape `(..., n)`, its rows sorted.
        k: int in [1, n).
        temperature: float or scalar tensor, > 0.
    """
    largest = ops.stop_gradient(descending[..., :1])
    exponent = ops.maximum((descending - largest) / temperature, _LEAST_EXPONENT)
    weight = ops.exp(exponent)
    normalizer = ops.flip(ops.cumsum(ops.flip(weight, axis=-1), axis=-1), axis=-1)
    # exp(-log z), not 1 / z: its gradient is a product of two moderate
    # factors, where that of the quotient has 1 / z ** 2, beyond float32.
    inverse = ops.exp(-ops.log(normalizer)) * _first(k, descending.shape[-1])
    return weight * ops.cumsum(inverse, axis=-1)


def _first(k: int, n: int) -> Any:
    return ops.convert_to_tensor((np.arange(n) < k).astype("float32"))
