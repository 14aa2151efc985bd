"""The final decision: which units stay, so that every limit holds."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_diffmask.budget.units import said
from keras_diffmask.costs import AnyCost
from keras_diffmask.errors import BudgetError


@dataclass(frozen=True)
class Limit:
    """A cost, the most it may come to, and how somebody wrote that, where known."""

    cost: AnyCost
    most: float
    asked: float | str | None = None

    def holds(self, keeps: list[np.ndarray]) -> bool:
        return self.allows(self.cost.count([k.astype(float) for k in keeps]))

    def allows(self, count: float) -> bool:
        # A fraction of an integer is rarely one: the slack is for rounding.
        return count <= self.most + 1e-6


class _Blocks:
    """The units of each gate in blocks that open and close as one, best first.

    Args:
        scores: per gate the score of each unit.
        multiples: per gate the size of its blocks; the last may be smaller.
    """

    def __init__(self, scores: list[np.ndarray], multiples: list[int]) -> None:
        self._members = [
            np.split(
                np.argsort(-score, kind="stable"), np.arange(size, len(score), size)
            )
            for score, size in zip(scores, multiples, strict=True)
        ]
        self.scores = [
            np.array([score[block].mean() for block in blocks])
            for score, blocks in zip(scores, self._members, strict=True)
        ]
        self._sizes = [len(score) for score in scores]

    def units(self, keeps: list[np.ndarray]) -> list[np.ndarray]:
        """From decisions on blocks to decisions on units."""
        result = []
        for keep, blocks, size in zip(keeps, self._members, self._sizes, strict=True):
            mask = np.zeros(size, bool)
            for is_open, block in zip(keep, blocks, strict=True):
                mask[block] = is_open
            result.append(mask)
        return result

    def least(self, min_keep: list[int]) -> list[np.ndarray]:
        """The smallest decision: the best block of each gate that needs one."""
        return [
            np.arange(len(score)) < need
            for score, need in zip(self.scores, min_keep, strict=True)
        ]


def check_reachable(
    limits: list[Limit],
    scores: list[np.ndarray],
    min_keep: list[int],
    multiples: list[int],
) -> None:
    """Refuse a budget below what a single unit, or block, per layer costs.

    Raises:
        BudgetError: naming the least that can be reached.
    """
    blocks = _Blocks(scores, multiples)
    smallest = blocks.units(blocks.least(min_keep))
    whole = [np.ones(len(score)) for score in scores]
    last = "last unit" if max(multiples, default=1) == 1 else "smallest block of units"
    least = f"layer is down to its {last}" if any(min_keep) else "branch is closed"
    for limit in limits:
        floor = limit.cost.count([k.astype(float) for k in smallest])
        if not limit.allows(floor):
            name, dense = limit.cost.name, limit.cost.count(whole)
            # Rounded up: who asks for this share gets no less.
            share = math.ceil(1e4 * floor / dense) / 1e4
            raise BudgetError(
                f"{name} of at least {said(name, floor)}, where every {least} "
                f"({share:g} of the dense model's {said(name, dense)})",
                f"a budget of {said(name, limit.most)}",
                f"Raise {name}=, or mask more layers.{_as_percent(name, limit.asked)}",
            )


def _as_percent(name: str, asked: float | str | None) -> str:
    """What a number above 1 would be if it were meant in per cent."""
    if isinstance(asked, str) or asked is None or not 1 < asked <= 100:
        return ""
    return f" If {asked:g} % is meant, write {name}={asked / 100:g}."


def warn_if_free(
    dense: dict[str, float],
    most: dict[str, float],
    asked: dict[str, float | str] | None = None,
) -> None:
    """Say of a budget that the dense model meets already: nothing will be closed.

    Args:
        dense: cost of the dense model by name.
        most: what each may be.
        asked: how that was written.
    """
    if not all(value >= dense[name] for name, value in most.items()):
        return
    ones = [name for name, value in (asked or {}).items() if value == 1]
    hint = f" {ones[0]}=1 is read as 100 %, and 0.3 as 30 %." if ones else ""
    told = " and ".join(
        f"{name} is {said(name, dense[name])} of {said(name, value)}"
        for name, value in most.items()
    )
    warnings.warn(
        f"The budget limits nothing, so that no unit will be closed: the dense model's "
        f"{told}. Ask for less.{hint}",
        stacklevel=2,
    )


def decide(
    limits: list[Limit],
    scores: list[np.ndarray],
    min_keep: list[int],
    fixed: list[np.ndarray | None],
    multiples: list[int],
) -> list[np.ndarray]:
    """Keep the units with the highest scores that fit the limits together.

    Units are closed from the lowest score up until every limit holds; then
    each gate's best closed unit is opened again as long as one fits.

    Args:
        limits: the costs that must hold.
        scores: per gate the score of each unit, comparable between gates.
        min_keep: per gate how many units must stay.
        fixed: per gate a decision that is already made, or None.
        multiples: per gate what the number of open units is a multiple of.

    Returns:
        Per gate a boolean array.

    Raises:
        BudgetError: even the smallest decision is above a limit.
    """
    blocks = _Blocks(scores, multiples)
    forced = blocks.least(min_keep)

    def holds(keeps: list[np.ndarray]) -> bool:
        return _hold(limits, _with_fixed(blocks.units(keeps), fixed))

    # Of equal scores the later blocks of a gate first: its last one may be smaller,
    # and the others would be no multiple without it.
    places = np.concatenate([np.arange(len(score)) for score in blocks.scores])
    order = np.lexsort((-places, np.concatenate(blocks.scores)))
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        if holds(_closed(order[:middle], forced)):
            high = middle
        else:
            low = middle + 1
    keeps = _closed(order[:low], forced)
    if not holds(keeps):
        check_reachable(limits, scores, min_keep, multiples)
        raise BudgetError(
            "a budget that the units fixed by set_keep leave room for",
            "gates that are fixed open beyond it",
            "Give some of them back with set_keep(None).",
        )
    free = {gate for gate, decision in enumerate(fixed) if decision is None}
    _fill(keeps, blocks.scores, free, holds)
    return _with_fixed(blocks.units(keeps), fixed)


def _fill(
    keeps: list[np.ndarray],
    scores: list[np.ndarray],
    candidates: set[int],
    holds: Callable[[list[np.ndarray]], bool],
) -> None:
    while candidates:
        closed = {g: np.flatnonzero(~keeps[g]) for g in candidates}
        candidates = {g for g in candidates if len(closed[g])}
        best = {g: closed[g][np.argmax(scores[g][closed[g]])] for g in candidates}
        for gate in sorted(candidates, key=lambda g: -scores[g][best[g]]):
            keeps[gate][best[gate]] = True
            if holds(keeps):
                break
            keeps[gate][best[gate]] = False
            # Its other closed units cost the same and score less.
            candidates.discard(gate)


def _closed(closed: np.ndarray, forced: list[np.ndarray]) -> list[np.ndarray]:
    everything = np.ones(sum(len(keep) for keep in forced), bool)
    everything[closed] = False
    parts = np.split(everything, np.cumsum([len(keep) for keep in forced])[:-1])
    return [part | keep for part, keep in zip(parts, forced, strict=True)]


def _with_fixed(
    keeps: list[np.ndarray], fixed: list[np.ndarray | None]
) -> list[np.ndarray]:
    return [
        keep if decision is None else decision.copy()
        for keep, decision in zip(keeps, fixed, strict=True)
    ]


def _hold(limits: list[Limit], keeps: list[np.ndarray]) -> bool:
    return all(limit.holds(keeps) for limit in limits)
