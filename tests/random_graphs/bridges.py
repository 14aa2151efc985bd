"""From one rank to another: what joins pieces that want different tensors."""

from typing import Any

from keras import layers, ops

from tests.random_graphs.sketch import SHAPES, Sketch, channels, entries


def stem(s: Sketch, rank: int) -> Any:
    """A new input, and mostly a layer with weights of its own behind it."""
    x = s.new_input(SHAPES[rank])
    if s.flag(6):
        s.give(x)
        return x
    options = {
        2: (_dense,),
        3: (_conv1d, _lstm, _dense_last),
        4: (_conv2d,),
        5: (_conv3d,),
    }[rank]
    y = s.choose(options)(s, s.read(x))
    s.give(y)
    return y


def _dense(s: Sketch, x: Any) -> Any:
    s.note("Dense")
    return layers.Dense(s.width(), activation=s.activation())(x)


def _dense_last(s: Sketch, x: Any) -> Any:
    s.note("Dense on a sequence or map")
    return layers.Dense(s.width(), activation=s.activation())(x)


def _conv1d(s: Sketch, x: Any) -> Any:
    s.note("Conv1D")
    return layers.Conv1D(s.width(), 3, padding="same", activation=s.activation())(x)


def _lstm(s: Sketch, x: Any) -> Any:
    s.note("LSTM")
    return layers.LSTM(s.width(), return_sequences=True)(x)


def _conv2d(s: Sketch, x: Any) -> Any:
    s.note("Conv2D")
    strides = s.number(1, 2)
    return layers.Conv2D(
        s.width(), 3, strides, padding="same", activation=s.activation()
    )(x)


def _conv3d(s: Sketch, x: Any) -> Any:
    s.note("Conv3D")
    return layers.Conv3D(s.width(), 2, padding="same", activation=s.activation())(x)


def bridge(s: Sketch, rank: int) -> Any:
    """A live tensor, turned into one of that rank; it is live too."""
    x = s.take()
    while len(x.shape) != rank:
        x = _step(s, x, rank)
    s.give(x)
    return x


def _step(s: Sketch, x: Any, rank: int) -> Any:
    """One step nearer to that rank."""
    here = len(x.shape)
    if rank == 2:
        return to_vector(s, x)
    if here == 2:
        return _unfold(s, x, rank)
    if here > rank:  # two of the axes in the middle become one
        s.note("Reshape")
        first, second, *rest = x.shape[1:]
        return layers.Reshape((first * second, *rest))(x)
    s.note("Reshape")
    first, *rest = x.shape[1:]
    by = next(n for n in (2, 3, 1) if first % n == 0)
    return layers.Reshape((first // by, by, *rest))(x)


def _unfold(s: Sketch, x: Any, rank: int) -> Any:
    """A vector's channels laid out in space, or the vector repeated."""
    if rank == 3 and s.flag():
        s.note("RepeatVector")
        return layers.RepeatVector(s.number(3, 5))(x)
    s.note("Reshape", "Dense")
    target = {3: (4, 5), 4: (4, 4, 3), 5: (3, 3, 3, 2)}[rank]
    size = 1
    for n in target:
        size *= n
    return layers.Reshape(target)(layers.Dense(size, activation="tanh")(x))


def to_vector(s: Sketch, x: Any) -> Any:
    """A reduction of all axes but the channels, or Flatten."""
    rank = len(x.shape)
    if rank == 2:
        return x
    options = [_average, _maximum, _mean]
    if entries(x) <= 200:
        options.append(_flatten)
    if channels(x) > 16:  # many channels, few of them from one: Flatten a pooling
        options = [_average, _mean]
    return s.choose(options)(s, x)


def _average(s: Sketch, x: Any) -> Any:
    name = f"GlobalAveragePooling{len(x.shape) - 2}D"
    s.note(name)
    return getattr(layers, name)()(x)


def _maximum(s: Sketch, x: Any) -> Any:
    name = f"GlobalMaxPooling{len(x.shape) - 2}D"
    s.note(name)
    return getattr(layers, name)()(x)


def _mean(s: Sketch, x: Any) -> Any:
    s.note("ops.mean")
    return ops.mean(x, axis=tuple(range(1, len(x.shape) - 1)))


def _flatten(s: Sketch, x: Any) -> Any:
    s.note("Flatten")
    return layers.Flatten()(x)
