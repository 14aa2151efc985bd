"""Pieces that lay the same numbers out in another shape."""

from keras import layers

from tests.random_graphs.sketch import (
    MOST_CHANNELS,
    SHAPES,
    Sketch,
    channels,
    entries,
    may_grow,
    piece,
)


@piece("Flatten")
def flatten(s: Sketch) -> None:
    """Behind a pooling, where the map is large: few rows of weights to read it."""
    rank = s.choose((4, 3, 5))
    x = s.take(rank, lambda t: entries(t) <= 200)
    if entries(x) > 200:
        x = getattr(layers, f"AveragePooling{rank - 2}D")(2, padding="same")(x)
    s.give(layers.Dense(s.width(), s.activation())(layers.Flatten()(x)))


@piece("Reshape")
def reshape(s: Sketch) -> None:
    """Two axes of a tensor become one; or a vector's channels become axes."""
    rank = s.choose((4, 3, 2))
    if rank == 2:
        width = s.width(4)
        x = layers.Dense(width, s.activation())(s.take(2))
        s.give(layers.Reshape(s.choose(((width // 4, 4), (2, 2, width // 4))))(x))
        return
    x = s.take(rank)
    *rest, last, depth = x.shape[1:]
    # Channels stay channels, or join the axis next to them.
    if rank == 4 and (last * depth > MOST_CHANNELS or not s.flag()):
        s.give(layers.Reshape((rest[0] * last, depth))(x))
    elif last * depth <= MOST_CHANNELS:
        s.give(layers.Reshape((*rest, last * depth))(x))
    else:
        s.give(layers.Reshape((last, 1, depth))(x))


@piece("Pixel shuffle")
def pixel_shuffle(s: Sketch) -> None:
    """Channels into space, by Reshape and Permute."""
    s.note("Reshape", "Permute")
    x = s.some(lambda t: len(t.shape) == 4 and channels(t) % 4 == 0)
    if x is None or not may_grow()(x):
        x = s.take(4, lambda t: entries(t) // channels(t) <= 64)
        x = layers.Conv2D(s.width(4), 1, activation=s.activation())(x)
    _, height, width, depth = x.shape
    x = layers.Reshape((height, width, 2, 2, depth // 4))(x)
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    s.give(layers.Reshape((2 * height, 2 * width, depth // 4))(x))


@piece("Permute")
def permute(s: Sketch) -> None:
    rank = s.choose((3, 4))
    x = s.take(rank)
    orders = {3: ((2, 1),), 4: ((2, 1, 3), (3, 1, 2), (1, 3, 2))}[rank]
    y = layers.Permute(s.choose(orders))(x)
    if s.flag():  # and back, with a layer between that sees the other axis
        y = layers.Dense(y.shape[-1], s.activation())(y)
        y = layers.Permute({3: (2, 1), 4: (2, 1, 3)}[rank])(y)
    s.give(y)


@piece("RepeatVector")
def repeat_vector(s: Sketch) -> None:
    """A decoder reads the same vector at every step."""
    s.give(layers.RepeatVector(s.number(3, SHAPES[3][0]))(s.take(2)))
