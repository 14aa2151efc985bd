"""Sketch: a Functional model that grows piece by piece."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tests.random_graphs.recipe import Source

Piece = Callable[["Sketch"], None]

#: Kind name -> what adds it to a sketch. One decorator line adds a kind.
PIECES: dict[str, Piece] = {}

#: Shapes of fresh inputs by rank (the batch counted): small, and room to crop.
SHAPES = {2: (6,), 3: (6, 4), 4: (8, 8, 3), 5: (4, 4, 4, 2)}

#: Entries per example that one tensor may have, and channels.
MOST_ENTRIES, MOST_CHANNELS = 640, 40

ACTIVATIONS = (None, "relu", "tanh", "elu", "gelu", "sigmoid", "softplus")

TOKENS = 9


def piece(kind: str) -> Callable[[Piece], Piece]:
    def add(function: Piece) -> Piece:
        assert kind not in PIECES, kind
        PIECES[kind] = function
        return function

    return add


@dataclass(frozen=True)
class InputSpec:
    """What an input is fed: "floats", "tokens", or floats "padded" by zeros."""

    shape: tuple[int, ...]
    content: str

    def array(self, batch: int, rng: np.random.Generator) -> np.ndarray:
        if self.content == "tokens":
            return rng.integers(0, TOKENS, size=(batch, *self.shape)).astype("int32")
        # Examples differ in more than noise, which a pooling averages out.
        shift = rng.normal(
            0, 1.5, (batch, *(1 for _ in self.shape[1:]), self.shape[-1])
        )
        values = rng.normal(size=(batch, *self.shape)) + shift
        if self.content == "padded":
            lengths = rng.integers(2, self.shape[0] + 1, size=batch)
            values[np.arange(self.shape[0])[None] >= lengths[:, None]] = 0.0
        return values.astype("float32")


class Sketch:
    """What is built so far, and the choices that build it.

    Attributes:
        inputs: the Input tensors, in order; `specs` says what feeds each.
        live: tensors that a piece may read, the newest last.
        kinds: names of the kinds of layers that are in it.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.inputs: list[Any] = []
        self.specs: list[InputSpec] = []
        self.live: list[Any] = []
        self.kinds: set[str] = set()
        self._read: set[int] = set()

    # Choices, each a small int of the recipe.

    def number(self, low: int, high: int) -> int:
        return self.source.number(low, high)

    def flag(self, one_in: int = 2) -> bool:
        """True once in `one_in`; a shrunk recipe has False."""
        return self.number(0, one_in - 1) == one_in - 1

    def choose(self, options: Sequence[Any]) -> Any:
        return options[self.number(0, len(options) - 1)]

    def width(self, multiple: int = 1) -> int:
        """Channels: 4 to 12, of which `multiple` is a divisor."""
        return multiple * self.number(-(-4 // multiple), 12 // multiple)

    def activation(self) -> str | None:
        return self.choose(ACTIVATIONS)

    # Tensors.

    def note(self, *kinds: str) -> None:
        self.kinds.update(kinds)

    def new_input(self, shape: tuple[int, ...], content: str = "floats") -> Any:
        dtype = "int32" if content == "tokens" else "float32"
        tensor = keras.Input(shape, dtype=dtype, name=f"in{len(self.inputs)}")
        self.inputs.append(tensor)
        self.specs.append(InputSpec(shape, content))
        return tensor

    def give(self, *tensors: Any) -> None:
        self.live.extend(tensors)

    def read(self, tensor: Any) -> Any:
        """Mark a tensor as read: what nobody reads becomes an output."""
        self._read.add(id(tensor))
        return tensor

    def unread(self) -> list[Any]:
        return [tensor for tensor in self.live if id(tensor) not in self._read]

    def some(self, where: Callable[[Any], bool]) -> Any | None:
        """One of the three newest tensors for which this holds, or None."""
        fit = [tensor for tensor in reversed(self.live) if where(tensor)][:3]
        return self.read(self.choose(fit)) if fit else None

    def take(
        self, rank: int | None = None, where: Callable[[Any], bool] = lambda _: True
    ) -> Any:
        """A tensor to read; where none fits, one is made that does."""
        from tests.random_graphs.bridges import bridge, stem  # they use sketches

        if rank is None and not self.live:
            rank = self.choose((2, 4, 3, 5))
        tensor = self.some(lambda t: rank in (None, len(t.shape)) and where(t))
        if tensor is None and self.live and rank and not self.flag(4):
            tensor = bridge(self, rank)
            tensor = tensor if where(tensor) else None
        if tensor is None:
            tensor = stem(self, rank or self.choose((4, 3)))
        return self.read(tensor)


def channels(tensor: Any) -> int:
    return tensor.shape[-1]


def entries(tensor: Any) -> int:
    return math.prod(tensor.shape[1:])


def may_grow(factor: int = 2) -> Callable[[Any], bool]:
    """Whether a tensor this many times larger would still be small."""
    return lambda tensor: entries(tensor) * factor <= MOST_ENTRIES


def may_widen(factor: int = 2) -> Callable[[Any], bool]:
    return lambda t: may_grow(factor)(t) and channels(t) * factor <= MOST_CHANNELS


def at_least(size: int, *axes: int) -> Callable[[Any], bool]:
    """Whether these axes are at least that long."""
    return lambda tensor: all(tensor.shape[axis] >= size for axis in axes)
