"""Pieces that any tensor can pass through: dense, activations, norms, noise."""

from typing import Any

import numpy as np
from keras import layers

from tests.random_graphs.sketch import Sketch, channels, may_widen, piece


@piece("Dense")
def dense(s: Sketch) -> None:
    x = s.take(2)
    s.give(layers.Dense(s.width(), s.activation(), use_bias=not s.flag(4))(x))


@piece("Dense on a sequence or map")
def dense_on_last_axis(s: Sketch) -> None:
    x = s.take(s.choose((3, 4, 5)))
    s.give(layers.Dense(s.width(), s.activation(), use_bias=not s.flag(4))(x))


#: Equation, rank of the input, axes of the bias, how many new axes it has.
EINSUMS = {
    2: (("ab,bc->ac", "c", 1), ("ab,bcd->acd", "cd", 2)),
    3: (("abc,cd->abd", "d", 1), ("abc,cde->abde", "de", 2), ("abc,cd->adb", "d", 0)),
    4: (("abcd,cde->abe", "e", -1), ("abcd,de->abce", "e", 1)),
}


@piece("EinsumDense")
def einsum_dense(s: Sketch) -> None:
    rank = s.choose((3, 2, 4))
    x = s.take(rank, may_widen())
    equation, bias, new = s.choose(EINSUMS[rank])
    width, shape = s.width(), x.shape[1:]
    output = {
        1: (*shape[:-1], width),
        2: (*shape[:-1], 3, width),
        0: (width, *shape[:-1]),
        -1: (*shape[:-2], width),
    }[new]
    bias_axes = None if s.flag(4) else bias
    s.give(layers.EinsumDense(equation, output, s.activation(), bias_axes)(x))


def normed(s: Sketch, x: Any) -> Any:
    """Behind a norm: what grows without bound may follow."""
    return layers.BatchNormalization()(x) if s.flag() else layers.Activation("tanh")(x)


@piece("Activation with f(0) = 0")
def activation_zero_at_zero(s: Sketch) -> None:
    names = ("relu", "tanh", "elu", "gelu", "silu", "relu6", "softsign", "leaky_relu")
    s.give(layers.Activation(s.choose(names))(s.take()))


@piece("Activation with f(0) != 0")
def activation_not_zero_at_zero(s: Sketch) -> None:
    name = s.choose(("sigmoid", "softplus", "hard_sigmoid", "exponential"))
    x = s.take()
    if name == "exponential":
        x = normed(s, x)
    s.give(layers.Activation(name)(x))


@piece("ReLU")
def relu(s: Sketch) -> None:
    x = s.take()
    s.give(s.choose((layers.ReLU, lambda: layers.ReLU(6.0, 0.1)))()(x))


@piece("LeakyReLU")
def leaky_relu(s: Sketch) -> None:
    s.give(layers.LeakyReLU(negative_slope=0.2)(s.take()))


@piece("ELU")
def elu(s: Sketch) -> None:
    s.give(layers.ELU()(s.take()))


@piece("PReLU")
def prelu(s: Sketch) -> None:
    """One slope per channel, or one per entry."""
    x = s.take()
    middle = list(range(1, len(x.shape) - 1))
    s.give(layers.PReLU(shared_axes=None if s.flag(3) else middle or None)(x))


@piece("Softmax")
def softmax(s: Sketch) -> None:
    """Over the channels, which it mixes; or over another axis."""
    x = s.take()
    axis = 1 if len(x.shape) > 2 and s.flag() else -1
    s.give(layers.Softmax(axis=axis)(x))


@piece("BatchNormalization")
def batch_normalization(s: Sketch) -> None:
    x = s.take()
    axis = 1 if s.flag(8) else -1
    scale, center = not s.flag(4), not s.flag(4)
    s.give(layers.BatchNormalization(axis=axis, scale=scale, center=center)(x))


@piece("LayerNormalization")
def layer_normalization(s: Sketch) -> None:
    x = s.take(where=lambda t: channels(t) > 1)
    axis: Any = -1
    if len(x.shape) > 2 and s.flag(4):
        axis = [-2, -1]
    scale, center = not s.flag(4), not s.flag(4)
    s.give(layers.LayerNormalization(axis=axis, scale=scale, center=center)(x))


@piece("GroupNormalization")
def group_normalization(s: Sketch) -> None:
    x = s.take(s.choose((4, 3)), lambda t: channels(t) > 1)
    fit = [n for n in (1, 2, 3, 4) if channels(x) % n == 0]
    fit.append(-1 if x.shape[1] > 2 else 1)
    s.give(layers.GroupNormalization(s.choose(fit))(x))


@piece("Dropout")
def dropout(s: Sketch) -> None:
    s.give(layers.Dropout(0.2)(s.take()))


@piece("GaussianNoise")
def gaussian_noise(s: Sketch) -> None:
    noise = s.choose((layers.GaussianNoise, layers.GaussianDropout))
    s.give(noise(0.1)(s.take()))


@piece("Rescaling")
def rescaling(s: Sketch) -> None:
    """With an offset it moves a closed channel from 0."""
    offset = 0.3 if s.flag() else 0.0
    s.give(layers.Rescaling(0.5, offset)(s.take()))


@piece("Normalization")
def normalization(s: Sketch) -> None:
    """Statistics given as numbers, or adapted to data."""
    x = s.take()
    rng = np.random.default_rng(channels(x))
    mean, variance = rng.normal(0, 0.5, channels(x)), rng.uniform(0.5, 2, channels(x))
    if s.flag():
        layer = layers.Normalization()
        layer.adapt(rng.normal(mean, variance**0.5, size=(32, *x.shape[1:])))
    else:
        layer = layers.Normalization(mean=mean.tolist(), variance=variance.tolist())
    s.give(layer(x))
