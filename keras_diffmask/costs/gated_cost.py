"""From a channel graph and its gates to a cost in the gates' values."""

from itertools import combinations

import numpy as np

from keras_diffmask.costs.cost import Cost
from keras_diffmask.graph import ChannelGraph, Step, Term

#: The costs a `Budget` can name.
NAMES = ("macs", "parameters")


def gated_cost(
    name: str,
    graph: ChannelGraph,
    gate_of: np.ndarray,
    sizes: list[int],
    branches: dict[int, tuple[frozenset[int], ...]],
) -> Cost:
    """Write a cost of the graph in terms of its gates.

    Args:
        name: one of `NAMES`.
        graph: the channel graph of the dense model.
        gate_of: per unit the index of its root's gate; -1 where it always stays.
        sizes: units of each gate. They occur together (`graph.group`).
        branches: id of a step -> sets of gates; the step lives while all gates
            of one of the sets do.

    Returns:
        The `Cost`.
    """
    terms = graph.macs() if name == "macs" else graph.parameters()
    gates = len(sizes)
    per_unit = 1.0 / np.array([*sizes, 1], float)

    def axis(ids: np.ndarray | None) -> tuple[float, ...]:
        if ids is None:
            return (*[0.0] * gates, 1.0)
        # Entries of units without a gate land on the last place, the constant.
        owners = gate_of[graph.units.root(ids.reshape(-1))]
        counts = np.bincount(np.where(owners < 0, gates, owners), minlength=gates + 1)
        return tuple((counts * per_unit).tolist())

    everywhere = (frozenset[int](),)
    calls: dict[int, set[frozenset[int]]] = {}
    for step in graph.steps:
        around = branches.get(id(step), everywhere)
        calls.setdefault(id(step.layer), set()).update(around)

    def lives(step: Step) -> list[tuple[int, frozenset[int]]]:
        """Signs and gates whose P(all alive) sum to P(the term counts)."""
        if name == "macs":
            return _any_of(list(branches.get(id(step), everywhere)))
        # Weights stay as long as one of their layer's calls does.
        return _any_of(list(calls[id(step.layer)]))

    def inside(around: frozenset[int], term: Term) -> tuple[bool, ...]:
        # What is 0 with the gate anyway is not multiplied by P(it is alive):
        # the two are not independent.
        for ids in term.axes if around else ():
            around = around - _whole(axis(ids))
        return tuple(gate in around for gate in range(gates))

    parts = [
        (sign * float(term.factor), around, term)
        for step, term in terms
        for sign, around in lives(step)
    ]
    return Cost(
        name=name,
        factors=tuple(factor for factor, _, _ in parts),
        rows=tuple(axis(term.rows) for _, _, term in parts),
        columns=tuple(axis(term.columns) for _, _, term in parts),
        depths=tuple(axis(term.depth) for _, _, term in parts),
        branches=tuple(inside(around, term) for _, around, term in parts),
    )


def _any_of(branches: list[frozenset[int]]) -> list[tuple[int, frozenset[int]]]:
    """Inclusion and exclusion: at least one of these branches is alive."""
    # Beyond this many, an upper bound: the terms double with each branch.
    if frozenset() in branches or len(branches) > 6:
        return [(1, frozenset())]
    return [
        ((-1) ** (size + 1), frozenset().union(*chosen))
        for size in range(1, len(branches) + 1)
        for chosen in combinations(branches, size)
    ]


def _whole(counts: tuple[float, ...]) -> frozenset[int]:
    """The gate whose units are all that an axis counts, as a set."""
    counted = [index for index, count in enumerate(counts) if count]
    return frozenset(counted if len(counted) == 1 else [])
