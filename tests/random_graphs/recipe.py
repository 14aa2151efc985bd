"""Recipes: a graph written down as kind names and small ints.

Hypothesis draws a recipe, the recipe builds the graph again, and a failure is
reported as one. Names rather than indices: a new kind changes no old recipe.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

#: Groups of a name and the ints drawn under it, in the order they were drawn.
Recipe = list[list]


class Source(Protocol):
    """Where the choices of a graph come from."""

    recipe: Recipe

    def count(self, low: int, high: int) -> int:
        """How many pieces there are."""

    def kind(self, kinds: Sequence[str]) -> str:
        """The next piece, which begins a new group."""

    def begin(self, name: str) -> None:
        """Begin a group that is no piece."""

    def number(self, low: int, high: int) -> int:
        """An int of the current group, both ends included."""


class Drawn:
    """Takes ints from hypothesis, and writes the recipe down.

    Args:
        integer: draws one, both ends included.
        order: all kinds, those first that are to come more often: hypothesis
            draws small ints, and what it drew before, more often than others.
    """

    def __init__(
        self, integer: Callable[[int, int], int], order: Sequence[str] | None = None
    ) -> None:
        self._integer = integer
        self._order = order
        self.recipe: Recipe = []

    def count(self, low: int, high: int) -> int:
        return self._integer(low, high)

    def kind(self, kinds: Sequence[str]) -> str:
        order = self._order or kinds
        name = order[self._integer(0, len(order) - 1)]
        self.begin(name)
        return name

    def begin(self, name: str) -> None:
        self.recipe.append([name])

    def number(self, low: int, high: int) -> int:
        value = self._integer(low, high) if low < high else low
        self.recipe[-1].append(value)
        return value


class Replayed:
    """Follows a recipe, also one that was shortened by hand.

    What is missing is the lowest choice, what is too large the highest.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._groups = [list(group) for group in recipe]
        self._left: list[int] = []
        self.recipe: Recipe = []

    def count(self, low: int, high: int) -> int:
        return len([g for g in self._groups if g[0] not in ("start", "finish")])

    def kind(self, kinds: Sequence[str]) -> str:
        at = next(i for i, group in enumerate(self._groups) if group[0] in kinds)
        name, *self._left = self._groups.pop(at)
        self.recipe.append([name])
        return name

    def begin(self, name: str) -> None:
        groups = [group for group in self._groups if group[0] == name]
        self._left = groups[0][1:] if groups else []
        self.recipe.append([name])

    def number(self, low: int, high: int) -> int:
        wanted = self._left.pop(0) if self._left else low
        value = min(max(wanted, low), high)
        self.recipe[-1].append(value)
        return value


def text(recipe: Recipe) -> str:
    """The recipe as Python, to paste into a named test."""
    lines = [f"    {group!r}," for group in recipe]
    return "\n".join(["[", *lines, "]"])
