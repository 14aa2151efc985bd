"""Pieces that join tensors: element by element, or side by side."""

from collections.abc import Callable
from typing import Any

from keras import layers

from tests.random_graphs.sketch import (
    Sketch,
    channels,
    may_grow,
    may_widen,
    piece,
)


def like(s: Sketch, x: Any) -> Any:
    """Another tensor of the shape of `x`: a skip over a branch, or a neighbour."""
    if s.flag():
        same = s.some(lambda t: t.shape == x.shape and t is not x)
        if same is not None:
            return same
    if s.flag():  # two layers, so that the branch has units of its own inside
        return project(s, project(s, x, s.width()), channels(x))
    return project(s, x, channels(x))


def project(s: Sketch, x: Any, width: int) -> Any:
    """A layer with weights that changes the channels and nothing else."""
    rank = len(x.shape)
    if rank == 3 and s.flag():
        s.note("Conv1D")
        return layers.Conv1D(width, 3, padding="same", activation=s.activation())(x)
    if rank == 4 and not s.flag(4):
        s.note("Conv2D")
        return layers.Conv2D(width, 3, padding="same", activation=s.activation())(x)
    s.note("Dense" if rank == 2 else "Dense on a sequence or map")
    return layers.Dense(width, activation=s.activation())(x)


def merge(kind: str, layer: Callable[[], Any], most: int = 3) -> None:
    """Register an elementwise merge of two tensors, or of up to `most`."""

    @piece(kind)
    def add(s: Sketch) -> None:
        x = s.take()
        others = [like(s, x) for _ in range(s.number(1, most - 1))]
        s.give(layer()([*others, x] if s.flag() else [x, *others]))


merge("Add", layers.Add)
merge("Multiply", layers.Multiply)
merge("Subtract", layers.Subtract, most=2)
merge("Average", layers.Average)
merge("Maximum", layers.Maximum)
merge("Minimum", layers.Minimum)


@piece("Squeeze and excite")
def squeeze_and_excite(s: Sketch) -> None:
    x = s.take(4)
    keepdims, last = s.flag(), s.choose(("sigmoid", "hard_sigmoid", "tanh"))
    y = layers.GlobalAveragePooling2D(keepdims=keepdims)(x)
    if not keepdims:
        y = layers.Reshape((1, 1, channels(x)))(y)
    if s.flag():
        y = layers.Conv2D(s.width(), 1, activation="relu")(y)
        y = layers.Conv2D(channels(x), 1, activation=last)(y)
    else:
        y = layers.Dense(s.width(), activation="relu")(y)
        y = layers.Dense(channels(x), activation=last)(y)
    s.give(layers.Multiply()([x, y] if s.flag() else [y, x]))


@piece("Multiply by one channel")
def multiply_by_one_channel(s: Sketch) -> None:
    """Spatial attention: one map, broadcast over every channel."""
    x = s.take()
    y = layers.Dense(1, activation="sigmoid")(x)
    s.give(layers.Multiply()([x, y]))


@piece("Concatenate channels")
def concatenate_channels(s: Sketch) -> None:
    """A neighbour of any width, when there is one; else a branch."""
    x = s.take(where=may_widen())
    beside = s.some(
        lambda t: t is not x and t.shape[:-1] == x.shape[:-1] and may_widen()(t)
    )
    y = project(s, x, s.width()) if beside is None else beside
    s.give(layers.Concatenate()([x, y]))


@piece("Concatenate with itself")
def concatenate_with_itself(s: Sketch) -> None:
    x = s.take(where=may_widen(3))
    y = like(s, x) if s.flag() else None
    s.give(layers.Concatenate()([x, x] if y is None else [x, y, x]))


@piece("Concatenate nested")
def concatenate_nested(s: Sketch) -> None:
    """As in a dense block: each layer reads all before it."""
    x = s.take(where=may_widen(3))
    for _ in range(2):
        y = project(s, x, s.number(4, 6))
        x = layers.Concatenate()([x, y] if s.flag() else [y, x])
    s.give(x)


@piece("Concatenate on another axis")
def concatenate_on_another_axis(s: Sketch) -> None:
    """In time or space: the channels of both sides are tied."""
    x = s.take(s.choose((3, 4, 5)), may_grow())
    axis = s.number(1, len(x.shape) - 2)
    s.give(layers.Concatenate(axis=axis)([x, like(s, x)]))
