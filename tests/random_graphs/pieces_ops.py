"""Plain operations of `keras.ops` between the layers."""

from keras import layers, ops

from tests.random_graphs.pieces_merge import like, project
from tests.random_graphs.sketch import Sketch, at_least, channels, may_widen, piece


@piece("x + y")
def plus(s: Sketch) -> None:
    x = s.take()
    s.give(x + like(s, x))


@piece("x * y")
def times(s: Sketch) -> None:
    x = s.take()
    y = like(s, x)
    s.give(s.choose((lambda: x * y, lambda: x - y, lambda: ops.maximum(x, y)))())


@piece("x * 2.0")
def twice(s: Sketch) -> None:
    x = s.take()
    s.give(s.choose((lambda: x * 2.0, lambda: x / 3.0, lambda: -x))())


@piece("1.0 - x")
def one_minus(s: Sketch) -> None:
    """A closed channel is 1 behind it."""
    x = s.take()
    s.give(s.choose((lambda: 1.0 - x, lambda: x + 0.5))())


@piece("ops.concatenate")
def concatenate(s: Sketch) -> None:
    x = s.take(where=may_widen())
    y = project(s, x, s.width())
    s.give(ops.concatenate([x, y] if s.flag() else [y, x], axis=-1))


@piece("x[..., :k]")
def slice_channels(s: Sketch) -> None:
    """Some of the channels; or a split whose halves meet again."""
    x = s.take(where=at_least(2, -1))
    half = channels(x) // 2
    if s.flag():
        y = layers.Activation("sigmoid")(x[..., half : 2 * half])
        s.give(x[..., :half] * y)
    else:
        first = s.number(0, 1)
        s.give(x[..., first : first + half])


@piece("x[:, 1:]")
def slice_time(s: Sketch) -> None:
    x = s.take(s.choose((3, 4)), at_least(2, 1))
    s.give(s.choose((lambda: x[:, 1:], lambda: x[:, -1], lambda: x[:, ::2]))())


@piece("ops.mean")
def mean(s: Sketch) -> None:
    """Over all of time or space, or over one axis of it."""
    x = s.take(s.choose((4, 3, 5)))
    axis = tuple(range(1, len(x.shape) - 1)) if s.flag() else 1
    s.give(ops.mean(x, axis=axis))


@piece("ops.relu")
def relu(s: Sketch) -> None:
    x = s.take()
    s.give(s.choose((ops.relu, ops.sigmoid, ops.tanh))(x))
