"""Which units pay for what a budget's search is over its target."""

from typing import Any

import numpy as np
from keras import ops

from keras_diffmask.costs import AnyCost
from keras_diffmask.gradients import straight_through

#: Everybody, as a Lagrangian has it; or those alone that the target would close.
ALL, LOWEST = "all", "lowest"
CHARGED = (ALL, LOWEST)
#: Part of a gate's units that is taken away to see what one of them costs.
_STEP = 0.25


def unit_costs(cost: AnyCost, sizes: list[int]) -> list[float]:
    """Per gate what a unit of it costs in the dense model, as parts of 1 in all.

    By how much the cost falls with a quarter of the gate: products of widths are
    counted once for each width, steps of a latency are averaged. A gate that the cost
    does not see has 0.

    Args:
        cost: what is counted.
        sizes: how many units each gate has.
    """
    whole = [np.ones(size) for size in sizes]
    dense = cost.count(whole)
    saved = []
    for gate, size in enumerate(sizes):
        less = list(whole)
        less[gate] = whole[gate] - _STEP
        saved.append(max(float(dense - cost.count(less)), 0.0) / size)
    total = sum(one * size for one, size in zip(saved, sizes, strict=True))
    if not total:
        return [1.0 / sum(sizes)] * len(sizes)
    return [one / total for one in saved]


def charged(scores: list[Any], costs: list[float], left: Any) -> list[Any]:
    """1 for units that a target would close, lowest score first, else 0.

    Over all gates, those whose costs sum to at most `1 - left`. Since most costs are
    products of two widths, closing all of them would come to less than the target:
    among them the price chooses.

    Args:
        scores: per gate the score of each unit, comparable between gates.
        costs: as from `unit_costs`.
        left: tensor in [0, 1], the target as a share of the dense cost.
    """
    flat = [ops.reshape(score, (-1,)) for score in scores]
    sizes = [int(one.shape[0]) for one in flat]
    weights = np.repeat(np.asarray(costs, "float32"), sizes)
    order = ops.argsort(ops.concatenate(flat))
    spent = ops.cumsum(ops.take(ops.convert_to_tensor(weights), order))
    # Back into the places of the units: the inverse of a permutation sorts it.
    spent = ops.take(spent, ops.argsort(order))
    chosen = ops.cast(spent <= 1.0 - left, "float32")
    parts, start = [], 0
    for score, size in zip(scores, sizes, strict=True):
        parts.append(ops.reshape(chosen[start : start + size], score.shape))
        start += size
    return parts


def with_gradient_of(values: Any, chosen: Any) -> Any:
    """The values as they are, with the gradient of the chosen ones alone."""
    return straight_through(values, chosen * values)
