"""The final decision: which units stay, so that every limit holds."""

from dataclasses import dataclass

import numpy as np

from keras_diffmask.costs import Cost
from keras_diffmask.errors import BudgetError


@dataclass(frozen=True)
class Limit:
    """A cost and the most it may come to."""

    cost: Cost
    most: float

    def holds(self, keeps: list[np.ndarray]) -> bool:
        # A fraction of an integer is rarely one: the slack is for rounding.
        return self.cost.count([k.astype(float) for k in keeps]) <= self.most + 1e-6


def least(scores: list[np.ndarray], min_keep: list[int]) -> list[np.ndarray]:
    """The smallest decision there is: the best unit of each gate that needs one."""
    return [_best(score, need) for score, need in zip(scores, min_keep, strict=True)]


def check_reachable(
    limits: list[Limit], scores: list[np.ndarray], min_keep: list[int]
) -> None:
    """Refuse a budget below what a single unit per layer costs.

    Raises:
        BudgetError: naming the least that can be reached.
    """
    smallest = least(scores, min_keep)
    for limit in limits:
        floor = limit.cost.count([k.astype(float) for k in smallest])
        if floor > limit.most:
            raise BudgetError(
                f"{limit.cost.name} of at least {floor:,.0f}, where every layer is "
                "down to its last unit",
                f"a budget of {limit.most:,.0f}",
                f"Raise {limit.cost.name}=, or mask a model with fewer fixed layers.",
            )


def decide(
    limits: list[Limit],
    scores: list[np.ndarray],
    min_keep: list[int],
    fixed: list[np.ndarray | None],
) -> list[np.ndarray]:
    """Keep the units with the highest scores that fit the limits together.

    Units are closed from the lowest score up until every limit holds; then
    each gate's best closed unit is opened again as long as one fits.

    Args:
        limits: the costs that must hold.
        scores: per gate the score of each unit, comparable between gates.
        min_keep: per gate how many units must stay.
        fixed: per gate a decision that is already made, or None.

    Returns:
        Per gate a boolean array.

    Raises:
        BudgetError: even the smallest decision is above a limit.
    """
    order = np.argsort(np.concatenate(scores), kind="stable")
    forced = least(scores, min_keep)
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        if _hold(limits, _closed(order[:middle], scores, forced, fixed)):
            high = middle
        else:
            low = middle + 1
    keeps = _closed(order[:low], scores, forced, fixed)
    if not _hold(limits, keeps):
        check_reachable(limits, scores, min_keep)
        raise BudgetError(
            "a budget that the units fixed by set_keep leave room for",
            "gates that are fixed open beyond it",
            "Give some of them back with set_keep(None).",
        )
    return _fill(limits, keeps, scores, fixed)


def _fill(
    limits: list[Limit],
    keeps: list[np.ndarray],
    scores: list[np.ndarray],
    fixed: list[np.ndarray | None],
) -> list[np.ndarray]:
    candidates = {g for g, decision in enumerate(fixed) if decision is None}
    while candidates:
        closed = {g: np.flatnonzero(~keeps[g]) for g in candidates}
        candidates = {g for g in candidates if len(closed[g])}
        best = {g: closed[g][np.argmax(scores[g][closed[g]])] for g in candidates}
        for gate in sorted(candidates, key=lambda g: -scores[g][best[g]]):
            keeps[gate][best[gate]] = True
            if _hold(limits, keeps):
                break
            keeps[gate][best[gate]] = False
            # Its other closed units cost the same and score less.
            candidates.discard(gate)
    return keeps


def _closed(
    closed: np.ndarray,
    scores: list[np.ndarray],
    forced: list[np.ndarray],
    fixed: list[np.ndarray | None],
) -> list[np.ndarray]:
    everything = np.ones(sum(len(score) for score in scores), bool)
    everything[closed] = False
    parts = np.split(everything, np.cumsum([len(score) for score in scores])[:-1])
    return [
        (part | keep) if decision is None else decision.copy()
        for part, keep, decision in zip(parts, forced, fixed, strict=True)
    ]


def _hold(limits: list[Limit], keeps: list[np.ndarray]) -> bool:
    return all(limit.holds(keeps) for limit in limits)


def _best(score: np.ndarray, count: int) -> np.ndarray:
    keep = np.zeros(len(score), bool)
    keep[np.argsort(-score, kind="stable")[:count]] = True
    return keep
