"""The operators of a model timed one by one, and the model as a whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from keras_diffmask.export.latency.narrow import narrowed
from keras_diffmask.export.latency.operators import Found
from keras_diffmask.export.latency.timing import Turns, nothing, runner_of

#: For each number of channels; enough for some hundred runs of small ones.
_SECONDS_EACH = 0.002
#: For the model as a whole, and for each of its parts next to it.
_SECONDS_WHOLE = 0.1


@dataclass(frozen=True)
class Part:
    """One operator at several numbers of channels, over the dense one.

    Attributes:
        inputs: numbers of input channels.
        outputs: numbers of output channels.
        ratios: `(inputs, outputs)`, the last is 1; with what a call takes.
        is_fixed: whether channels may go that it was not timed without.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    ratios: np.ndarray
    is_fixed: bool


@dataclass(frozen=True)
class Whole:
    """The dense model next to its parts, in nanoseconds.

    Attributes:
        ns: of one call of the model.
        call_ns: of a call of a model that does nothing.
        parts: of a call of each operator alone.
        spreads: half the distance between quartiles, as a fraction, of each.
    """

    ns: float
    call_ns: float
    parts: tuple[float, ...]
    spreads: tuple[float, ...]


def time_parts(
    found: Sequence[Found],
    rounds: int,
    turns: Turns,
    progress: Callable[[int, int], None] | None = None,
) -> list[Part]:
    """Time each operator at its numbers of channels, equal operators once."""
    known: dict[object, Part] = {}
    parts = []
    for done, item in enumerate(found):
        key = item.operator.signature, item.inputs, item.outputs
        if key not in known:
            known[key] = _part(item, rounds, turns)
        parts.append(known[key])
        if progress is not None:
            progress(done + 1, len(found))
    return parts


def _part(item: Found, rounds: int, turns: Turns) -> Part:
    contents: dict[str, bytes] = {}
    points = item.points()
    for point in points[:-1]:
        content = narrowed(item.operator, *item.channels_at(point))
        if runner_of(content) is None:
            # Not an operator that LiteRT runs by itself, or not so.
            ends = (item.inputs[-1:], item.outputs[-1:])
            return Part(*ends, np.ones((1, 1)), is_fixed=True)
        contents[str(point)] = content
    shape = len(item.inputs), len(item.outputs)
    if not contents:
        return Part(item.inputs, item.outputs, np.ones(shape), item.is_fixed)
    contents[str(points[-1])] = item.operator.content
    times = turns(contents, rounds, _SECONDS_EACH)
    dense = times[str(points[-1])]
    ratios = [float(np.median(times[str(point)] / dense)) for point in points]
    return Part(item.inputs, item.outputs, np.reshape(ratios, shape), item.is_fixed)


def time_whole(
    content: bytes, found: Sequence[Found], rounds: int, turns: Turns
) -> Whole:
    """Time the model, each of its operators, and a model that does nothing.

    An operator that can't run outside of the model takes no time here; what it
    takes is then in the rest that the whole is over its parts.
    """
    contents = {"whole": content, "nothing": nothing()}
    for k, item in enumerate(found):
        if runner_of(item.operator.content) is not None:
            contents[str(k)] = item.operator.content
    times = turns(contents, rounds, _SECONDS_WHOLE)
    call = float(np.median(times["nothing"]))
    none = np.array([call])
    each = [times.get(str(k), none) for k in range(len(found))]
    return Whole(
        ns=float(np.median(times["whole"])),
        call_ns=call,
        parts=tuple(float(np.median(ns)) for ns in each),
        spreads=tuple(map(_spread, each)),
    )


def _spread(ns: np.ndarray) -> float:
    low, middle, high = np.percentile(ns, [25, 50, 75])
    return float((high - low) / 2 / middle)
