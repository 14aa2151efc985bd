"""From a channel graph and its gates to a cost in the gates' values."""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np

from keras_diffmask.costs.cost import Cost
from keras_diffmask.costs.flash import Flash, overhead
from keras_diffmask.costs.gating import Gating
from keras_diffmask.costs.latency import Latency
from keras_diffmask.costs.measured import Measured
from keras_diffmask.costs.ram import Ram
from keras_diffmask.graph import ChannelGraph, Step, Term
from keras_diffmask.lowering import Program, lower
from keras_diffmask.lowering.fuse import compiled

#: The costs a `Budget` can name.
NAMES = ("macs", "parameters", "flash", "ram", "latency")

#: Those that count what there is in the graph.
IN_GRAPH = ("macs", "parameters")

#: A cost of any kind.
AnyCost = Cost | Flash | Ram | Latency

#: Those that count what the converter makes of the model.
ON_DEVICE = ("flash", "ram")


def gated_cost(
    name: str,
    graph: ChannelGraph,
    gate_of: np.ndarray,
    sizes: list[int],
    branches: dict[int, tuple[frozenset[int], ...]],
    measured: Measured | None = None,
    **format: Any,
) -> AnyCost:
    """Write a cost of the graph in terms of its gates.

    Args:
        name: one of `NAMES`.
        graph: the channel graph of the dense model.
        gate_of: per unit the index of its root's gate; -1 where it always stays.
        sizes: units of each gate. They occur together (`graph.group`).
        branches: id of a step -> sets of gates; the step lives while all gates
            of one of the sets do.
        measured: what was found for the dense model, for `ON_DEVICE` and `latency`.
        **format: of the file, as `device_cost`.

    Returns:
        The `Cost`, `Flash`, `Ram` or `Latency`.

    Raises:
        BudgetError: there is no latency table, or it is another model's.
    """
    gating = Gating(graph, gate_of, sizes, branches)
    if name == "latency":
        return Latency.of(gating, measured.latency if measured else None)
    if name in ON_DEVICE:
        return device_cost(name, gating, measured, **format)
    everywhere = (frozenset[int](),)
    calls: dict[int, set[frozenset[int]]] = {}
    for step in graph.steps:
        around = branches.get(id(step), everywhere)
        calls.setdefault(id(step.layer), set()).update(around)

    def lives(step: Step) -> list[frozenset[int]]:
        if name == "macs":
            return list(branches.get(id(step), everywhere))
        # Weights stay as long as one of their layer's calls does.
        return list(calls[id(step.layer)])

    terms = graph.macs() if name == "macs" else graph.parameters()
    return _sum_of_products(
        name, gating, ((1.0, term, lives(step)) for step, term in terms)
    )


def device_cost(
    name: str, gating: Gating, measured: Measured | None = None, **format: Any
) -> Flash | Ram:
    """`flash` or `ram` of the file that the converter writes.

    Args:
        name: one of `ON_DEVICE`.
        gating: the graph and its gates; `Gating.without_gates` counts a model
            that has none, such as a stripped one.
        measured: what was found for the dense model in the default format; the
            overhead of `flash` is scaled to it, and the difference of `ram` added
            to every count.
        **format: of the file: `weight_bits` (int, 8) and `per_channel_dense` (bool,
            False). By default that of `to_tflite(..., "int8", target="cortex-m")`.
    """
    program = _program(gating, **format)
    found = getattr(measured, name, None)
    if found is None:
        return _device_cost(name, program, gating)
    plain = _program(gating) if format else program
    guess = _device_cost(name, plain, gating)
    missed = found - guess.dense(gating.sizes)
    if name == "ram":
        return _device_cost(name, program, gating, offset=float(missed))
    scale = 1.0 + missed / overhead(compiled(plain))
    return _device_cost(name, program, gating, scale)


def _program(gating: Gating, **format: Any) -> Program:
    return lower(
        gating.graph,
        gating.size,
        gating.alive,
        shifts=not gating.closes_at_the_end,
        **format,
    )


def _device_cost(
    name: str,
    program: Program,
    gating: Gating,
    scale: float = 1.0,
    offset: float = 0.0,
) -> Flash | Ram:
    if name == "ram":
        ram = Ram(program, gating.sizes)
        ram.offset = offset
        return ram
    return Flash(_expected_bytes(program, gating, scale), program, scale)


def from_config(config: dict[str, Any]) -> AnyCost:
    """The cost that `get_config` described."""
    kinds: dict[str, Any] = {"flash": Flash, "ram": Ram, "latency": Latency}
    return kinds.get(config.get("kind", ""), Cost).from_config(config)


def _expected_bytes(program: Program, gating: Gating, scale: float) -> Cost:
    """The bytes of the file with no branch closed, as a sum of products."""
    parts: list[tuple[float, Term, list[frozenset[int]]]] = []
    for factor, terms, around in Flash.parts(compiled(program), scale):
        parts += [(factor, term, [frozenset(s) for s in around]) for term in terms]
    return _sum_of_products("flash", gating, parts)


def _sum_of_products(
    name: str,
    gating: Gating,
    parts: Iterable[tuple[float, Term, list[frozenset[int]]]],
) -> Cost:
    """Sum of factor x term x P(all gates of one of the sets are alive)."""

    def inside(around: frozenset[int], term: Term) -> tuple[bool, ...]:
        # What is 0 with the gate anyway is not multiplied by P(it is alive):
        # the two are not independent.
        for ids in term.axes if around else ():
            around = around - _whole(gating.axis(ids))
        return tuple(gate in around for gate in range(len(gating.sizes)))

    terms = [
        (sign * factor * float(term.factor), around, term)
        for factor, term, sets in parts
        for sign, around in _any_of(sets)
    ]
    return Cost(
        name=name,
        factors=tuple(factor for factor, _, _ in terms),
        rows=tuple(gating.axis(term.rows) for _, _, term in terms),
        columns=tuple(gating.axis(term.columns) for _, _, term in terms),
        depths=tuple(gating.axis(term.depth) for _, _, term in terms),
        branches=tuple(inside(around, term) for _, around, term in terms),
    )


def _any_of(branches: list[frozenset[int]]) -> list[tuple[int, frozenset[int]]]:
    """Signs and gates whose P(all alive) sum to P(one of these branches is)."""
    # Beyond this many, an upper bound: the terms double with each branch.
    if frozenset() in branches or not branches or len(branches) > 6:
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
