"""The k largest of each row, with the gradient of k masked softmaxes."""

import math
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
    return straight_through(*_open_and_soft(s, k, temperature))


def masked_softmaxes(s: Any, k: int, temperature: Any) -> Any:
    """The sum of k softmaxes, the j-th without the j - 1 largest elements.

    The normalizer of the j-th is the sum of the exponentials of the k largest
    from the j-th on, and of all that are not among them. The i-th largest
    takes part in the first i softmaxes, what is not among them in all. So
    cumulative sums over k stand for a tensor of k times the size of `s`, and
    for a loop over k, forward and backward.

    Args:
        s: float32 tensor of shape `(..., n)`.
        k: int in [1, n).
        temperature: float or scalar tensor, > 0.
    """
    return _open_and_soft(s, k, temperature)[1]


def _open_and_soft(s: Any, k: int, temperature: Any) -> tuple[Any, Any]:
    n = s.shape[-1]
    rows = math.prod(s.shape[:-1])
    # Only the k largest are put in order, unless they are many: TensorFlow takes
    # half the time of a whole sort for k = n / 8, the same for 3n / 8, and 1.3
    # times that for 3n / 4.
    _, place = ops.top_k(ops.stop_gradient(s), n if 8 * k > 3 * n else k)
    place = place[..., :k]
    starts = ops.convert_to_tensor(n * np.arange(rows, dtype="int32")[:, None])
    at = ops.reshape(ops.cast(ops.reshape(place, (rows, k)), "int32") + starts, (-1,))
    largest = ops.reshape(ops.take(ops.reshape(s, (-1,)), at), (*s.shape[:-1], k))
    most = ops.stop_gradient(largest[..., :1])
    weight = _weight(s, most, temperature)
    of_largest = _weight(largest, most, temperature)

    def put(values: Any) -> Any:
        """Values of the k largest, where these are in `s`; 0 elsewhere."""
        # A sum over one entry each: `scatter_update` takes TensorFlow eight times
        # as long, and `scatter` is a loop over the entries under torch.
        flat = ops.segment_sum(ops.reshape(values, (-1,)), at, rows * n)
        return ops.reshape(flat, s.shape)

    is_open = put(ops.ones_like(of_largest))
    is_closed = 1.0 - is_open
    rest = ops.sum(weight * is_closed, axis=-1, keepdims=True)
    normalizer = rest + ops.flip(ops.cumsum(ops.flip(of_largest, -1), axis=-1), -1)
    # exp(-log z), not 1 / z: its gradient is a product of two moderate
    # factors, where that of the quotient has 1 / z ** 2, beyond float32.
    shares = ops.cumsum(ops.exp(-ops.log(normalizer)), axis=-1)
    return is_open, weight * (put(shares) + is_closed * shares[..., -1:])


def _weight(s: Any, most: Any, temperature: Any) -> Any:
    return ops.exp(ops.maximum((s - most) / temperature, _LEAST_EXPONENT))
