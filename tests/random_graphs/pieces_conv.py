"""Convolutions of every kind, over time, images and volumes."""

from typing import Any

from keras import layers

from tests.random_graphs.sketch import (
    MOST_CHANNELS,
    Sketch,
    at_least,
    channels,
    may_grow,
    may_widen,
    piece,
)


def window(s: Sketch, x: Any, strides: bool = True) -> dict[str, Any]:
    """Kernel size, strides or dilation, and padding that fit the tensor."""
    shortest = min(x.shape[1:-1])
    size = min(s.number(1, 3), shortest)
    padding = s.choose(("same", "valid"))
    step = 2 if strides and shortest > 3 and s.flag(3) else 1
    return {"kernel_size": size, "strides": step, "padding": padding}


def bias(s: Sketch) -> bool:
    return not s.flag(4)


def plain(s: Sketch, layer: Any, rank: int) -> None:
    x = s.take(rank)
    about = window(s, x)
    size, length = about["kernel_size"], min(x.shape[1:-1])
    if about["strides"] == 1 and 2 * (size - 1) < length and s.flag(4):
        about["dilation_rate"] = 2
    s.give(layer(s.width(), activation=s.activation(), use_bias=bias(s), **about)(x))


@piece("Conv2D")
def conv2d(s: Sketch) -> None:
    plain(s, layers.Conv2D, 4)


@piece("Conv1D")
def conv1d(s: Sketch) -> None:
    if s.flag(4):
        x = s.take(3)
        layer = layers.Conv1D(s.width(), 2, padding="causal", activation="relu")
        s.give(layer(x))
        return
    plain(s, layers.Conv1D, 3)


@piece("Conv3D")
def conv3d(s: Sketch) -> None:
    plain(s, layers.Conv3D, 5)


def grouped(s: Sketch, layer: Any, rank: int) -> None:
    """In 2 or 4 groups; the tensor gets a divisible width first, if it must."""
    groups = s.choose((2, 4, 3))
    x = s.some(lambda t: len(t.shape) == rank and channels(t) % groups == 0)
    if x is None:
        x = layer(s.width(groups), 1, activation=s.activation())(s.take(rank))
    width = s.width(groups)
    about = window(s, x, strides=False)
    s.give(layer(width, groups=groups, activation=s.activation(), **about)(x))


@piece("Conv2D in groups")
def grouped_conv2d(s: Sketch) -> None:
    grouped(s, layers.Conv2D, 4)


@piece("Conv1D in groups")
def grouped_conv1d(s: Sketch) -> None:
    grouped(s, layers.Conv1D, 3)


def depthwise(s: Sketch, layer: Any, rank: int) -> None:
    """Any multiplier; mobile nets follow it with a pointwise convolution."""
    multiplier = s.number(1, 3)
    x = s.take(rank, may_widen(multiplier))
    if channels(x) * multiplier > MOST_CHANNELS:
        multiplier = 1
    about = {"depth_multiplier": multiplier, "use_bias": bias(s)}
    s.give(layer(activation=s.activation(), **about, **window(s, x))(x))


@piece("DepthwiseConv2D")
def depthwise_conv2d(s: Sketch) -> None:
    depthwise(s, layers.DepthwiseConv2D, 4)


@piece("DepthwiseConv1D")
def depthwise_conv1d(s: Sketch) -> None:
    depthwise(s, layers.DepthwiseConv1D, 3)


def separable(s: Sketch, layer: Any, rank: int) -> None:
    x = s.take(rank)
    about = {"depth_multiplier": s.number(1, 2), "use_bias": bias(s)}
    s.give(layer(s.width(), activation=s.activation(), **about, **window(s, x))(x))


@piece("SeparableConv2D")
def separable_conv2d(s: Sketch) -> None:
    separable(s, layers.SeparableConv2D, 4)


@piece("SeparableConv1D")
def separable_conv1d(s: Sketch) -> None:
    separable(s, layers.SeparableConv1D, 3)


def transposed(s: Sketch, layer: Any, rank: int) -> None:
    growth = 2 ** (rank - 2)
    x = s.take(rank, may_grow(growth))
    about = {"kernel_size": s.number(1, 3), "padding": s.choose(("same", "valid"))}
    about["strides"] = 2 if may_grow(growth)(x) and s.flag() else 1
    s.give(layer(s.width(), activation=s.activation(), use_bias=bias(s), **about)(x))


@piece("Conv2DTranspose")
def conv2d_transpose(s: Sketch) -> None:
    transposed(s, layers.Conv2DTranspose, 4)


@piece("Conv1DTranspose")
def conv1d_transpose(s: Sketch) -> None:
    transposed(s, layers.Conv1DTranspose, 3)


@piece("Conv3DTranspose")
def conv3d_transpose(s: Sketch) -> None:
    transposed(s, layers.Conv3DTranspose, 5)


@piece("TimeDistributed convolution")
def time_distributed_convolution(s: Sketch) -> None:
    """Over the rows of a map, or the slices of a volume."""
    rank = s.choose((4, 5))
    x = s.take(rank, at_least(2, 2))
    kind = layers.Conv1D if rank == 4 else layers.Conv2D
    inner = kind(s.width(), 2, padding="same", activation=s.activation())
    s.give(layers.TimeDistributed(inner)(x))


@piece("TimeDistributed Dense")
def time_distributed_dense(s: Sketch) -> None:
    x = s.take(s.choose((3, 4)))
    inner = layers.Dense(s.width(), activation=s.activation())
    s.give(layers.TimeDistributed(inner)(x))
