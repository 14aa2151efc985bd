"""Pieces that touch time and space and leave the channels: pooling, padding."""

from typing import Any

from keras import layers

from tests.random_graphs.sketch import Sketch, at_least, may_grow, piece


def pool(s: Sketch, layer: Any, rank: int) -> None:
    axes = tuple(range(1, rank - 1))
    x = s.take(rank, at_least(2, *axes))
    padding = s.choose(("same", "valid"))
    size = min(s.number(2, 3), *x.shape[1:-1])
    strides = s.choose((None, 1, 2))
    s.give(layer(size, strides, padding=padding)(x))


@piece("MaxPooling2D")
def max_pooling_2d(s: Sketch) -> None:
    pool(s, layers.MaxPooling2D, 4)


@piece("AveragePooling2D")
def average_pooling_2d(s: Sketch) -> None:
    pool(s, layers.AveragePooling2D, 4)


@piece("MaxPooling1D")
def max_pooling_1d(s: Sketch) -> None:
    pool(s, layers.MaxPooling1D, 3)


@piece("AveragePooling1D")
def average_pooling_1d(s: Sketch) -> None:
    pool(s, layers.AveragePooling1D, 3)


def pool_globally(s: Sketch, layer: Any, rank: int) -> None:
    s.give(layer(keepdims=s.flag())(s.take(rank)))


@piece("GlobalAveragePooling2D")
def global_average_pooling_2d(s: Sketch) -> None:
    pool_globally(s, layers.GlobalAveragePooling2D, 4)


@piece("GlobalMaxPooling2D")
def global_max_pooling_2d(s: Sketch) -> None:
    pool_globally(s, layers.GlobalMaxPooling2D, 4)


@piece("GlobalAveragePooling1D")
def global_average_pooling_1d(s: Sketch) -> None:
    pool_globally(s, layers.GlobalAveragePooling1D, 3)


@piece("GlobalMaxPooling1D")
def global_max_pooling_1d(s: Sketch) -> None:
    pool_globally(s, layers.GlobalMaxPooling1D, 3)


@piece("ZeroPadding2D")
def zero_padding_2d(s: Sketch) -> None:
    x = s.take(4, may_grow(3))
    s.give(layers.ZeroPadding2D(s.choose((1, ((1, 0), (0, 1)))))(x))


@piece("ZeroPadding1D")
def zero_padding_1d(s: Sketch) -> None:
    s.give(layers.ZeroPadding1D((s.number(0, 1), 1))(s.take(3, may_grow())))


@piece("Cropping2D")
def cropping_2d(s: Sketch) -> None:
    x = s.take(4, at_least(3, 1, 2))
    s.give(layers.Cropping2D(s.choose((1, ((1, 0), (0, 1)))))(x))


@piece("Cropping1D")
def cropping_1d(s: Sketch) -> None:
    x = s.take(3, at_least(3, 1))
    s.give(layers.Cropping1D((s.number(0, 1), 1))(x))


@piece("UpSampling2D")
def up_sampling_2d(s: Sketch) -> None:
    x = s.take(4, may_grow(4))
    way = s.choose(("nearest", "bilinear"))
    s.give(layers.UpSampling2D(2, interpolation=way)(x))


@piece("UpSampling1D")
def up_sampling_1d(s: Sketch) -> None:
    s.give(layers.UpSampling1D(2)(s.take(3, may_grow())))


@piece("Resizing")
def resizing(s: Sketch) -> None:
    x = s.take(4, may_grow(4))
    way = s.choose(("bilinear", "nearest"))
    s.give(layers.Resizing(s.number(3, 6), s.number(3, 6), interpolation=way)(x))


@piece("SpatialDropout")
def spatial_dropout(s: Sketch) -> None:
    rank = s.choose((4, 3))
    layer = layers.SpatialDropout2D if rank == 4 else layers.SpatialDropout1D
    s.give(layer(0.2)(s.take(rank)))
