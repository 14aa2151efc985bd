"""The k largest of each row, with the gradient of k masked softmaxes."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask.gradients import straight_through

# exp(-80) is 2e-35: its inverse, summed over a row, is still a float32.
_LEAST_EXPONENT = -80.0


def largest(s: Any, k: int) -> Any:
    """Places of the k largest of each row, in order; of equal ones the first.

    One order for masks of training and of inference, on every backend.

    Args:
        s: float32 tensor of shape `(..., n)`.
        k: int in [1, n].
    """
    n = s.shape[-1]
    # JAX would put 0.0 before -0.0.
    s = ops.where(s == 0.0, 0.0, ops.stop_gradient(s))
    if keras.backend.backend() == "torch":
        # Its `top_k` takes equal elements in any order, another one per device.
        return ops.argsort(-s)[..., :k]
    # Only the k largest are put in order, unless they are many: TensorFlow takes
    # half the time of a whole sort for k = n / 8, the same for 3n / 8, and 1.3
    # times that for 3n / 4.
    return ops.top_k(s, n if 8 * k > 3 * n else k)[1][..., :k]


def hard_top_k(s: Any, k: int) -> Any:
    """1 for the k largest of each row, else 0, without a gradient.

    Args:
        s: float32 tensor of shape `(..., n)`.
        k: int in [1, n].
    """
    at = _in_flat(largest(s, k), s.shape)
    return _put(ops.ones(at.shape, "float32"), at, s.shape)


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
    at = _in_flat(largest(s, k), s.shape)
    values = ops.reshape(ops.take(ops.reshape(s, (-1,)), at), (*s.shape[:-1], k))
    most = ops.stop_gradient(values[..., :1])
    weight = _weight(s, most, temperature)
    of_largest = _weight(values, most, temperature)
    is_open = _put(ops.ones_like(of_largest), at, s.shape)
    is_closed = 1.0 - is_open
    rest = ops.sum(weight * is_closed, axis=-1, keepdims=True)
    normalizer = rest + ops.flip(ops.cumsum(ops.flip(of_largest, -1), axis=-1), -1)
    # exp(-log z), not 1 / z: its gradient is a product of two moderate
    # factors, where that of the quotient has 1 / z ** 2, beyond float32.
    shares = ops.cumsum(ops.exp(-ops.log(normalizer)), axis=-1)
    return is_open, weight * (_put(shares, at, s.shape) + is_closed * shares[..., -1:])


def _in_flat(place: Any, shape: tuple[int, ...]) -> Any:
    """Places in rows of a tensor, as those in all of it."""
    rows, n = math.prod(shape[:-1]), shape[-1]
    starts = ops.convert_to_tensor(n * np.arange(rows, dtype="int32")[:, None])
    place = ops.cast(ops.reshape(place, (rows, -1)), "int32")
    return ops.reshape(place + starts, (-1,))


def _put(values: Any, at: Any, shape: tuple[int, ...]) -> Any:
    """Values at their places in a tensor of this shape; 0 elsewhere."""
    # A sum over one entry each: `scatter_update` takes TensorFlow eight times
    # as long, and `scatter` is a loop over the entries under torch.
    flat = ops.segment_sum(ops.reshape(values, (-1,)), at, math.prod(shape))
    return ops.reshape(flat, shape)


def _weight(s: Any, most: Any, temperature: Any) -> Any:
    return ops.exp(ops.maximum((s - most) / temperature, _LEAST_EXPONENT))
