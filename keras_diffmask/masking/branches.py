"""Residual branches: which of their gates may close wholly, and take them along."""

import heapq
from typing import Any

import numpy as np

from keras_diffmask.graph import ChannelGraph, Step
from keras_diffmask.masking.groups import Placement


def find_branches(graph: ChannelGraph, placement: Placement) -> None:
    """Let a residual branch lose its last unit, and go as a whole."""
    taken: set[int] = set()
    makers = makers_of(graph)
    for step in graph.steps:
        if not step.can_lose_inputs:
            continue
        # The longest way into the Add may go; the others go round it.
        ways = [way_into(graph, makers, step, tensor) for tensor in step.call.inputs]
        inside = max(ways, key=len)
        gates = frozenset(
            gate
            for gate in _gates_inside(graph, placement, inside)
            if _silences(graph, placement, gate, inside)
        )
        if not gates or gates & taken:
            continue
        taken |= gates
        for gate in gates:
            placement.min_keep[gate] = 0
        for inner in inside:
            placement.branches[id(inner)] = (gates,)


def _gates_inside(
    graph: ChannelGraph, placement: Placement, inside: list[Step]
) -> list[int]:
    """The gates whose every writer lies inside the branch."""
    members = {id(step) for step in inside}
    gates = {
        gate
        for step in inside
        if step.rule.writes
        for gate in placement.gates_of(graph.units.root(step.written))
    }
    return [
        gate
        for gate in sorted(gates)
        if all(id(w) in members for w in placement.groups[gate].writers)
    ]


def _silences(
    graph: ChannelGraph, placement: Placement, gate: int, inside: list[Step]
) -> bool:
    """Whether a branch is constant once this gate is wholly closed.

    Not so where something in between turns a constant back into a signal, as
    zero padding does at the border, or has no rule.

    Args:
        graph: the channel graph.
        placement: where the masks are.
        gate: index of the gate.
        inside: the branch's steps, the one that ends it first.
    """
    zero_at: dict[int, bool] = {}
    for step in reversed(inside):
        outputs = [id(tensor) for tensor in step.call.outputs]
        sites = [placement.weight_sites.get(id(step.layer))]
        sites += [placement.output_sites.get(key) for key in outputs]
        inputs = [zero_at.get(id(tensor)) for tensor in step.call.inputs]
        if any(_closes(graph, placement, gate, step, site) for site in sites):
            zero_at |= dict.fromkeys(outputs, True)
        elif None in inputs:
            continue
        elif all(inputs) and not step.rule.reads and step.rule.leak_free(step):
            zero_at |= dict.fromkeys(outputs, True)
        elif step.rule.settles(step, all(inputs)):
            zero_at |= dict.fromkeys(outputs, False)
    return id(inside[0].call.outputs[0]) in zero_at


def _closes(
    graph: ChannelGraph,
    placement: Placement,
    gate: int,
    step: Step,
    site: np.ndarray | None,
) -> bool:
    """Whether a mask at this site, wholly closed, leaves an output of zeros."""
    if site is None or step.hidden and site is step.hidden[0]:
        return False
    return bool(np.all(placement.gate_of[graph.units.root(site.reshape(-1))] == gate))


def makers_of(graph: ChannelGraph) -> dict[int, int]:
    """Id of a tensor -> place of the step that makes it."""
    return {
        id(tensor): place
        for place, step in enumerate(graph.steps)
        for tensor in step.call.outputs
    }


def way_into(
    graph: ChannelGraph, makers: dict[int, int], join: Step, tensor: Any
) -> list[Step]:
    """The steps that feed `tensor` and nothing else, back to where it forks.

    Args:
        graph: the channel graph.
        makers: as of `makers_of`.
        join: the step that sums.
        tensor: one of its inputs.

    Returns:
        The steps, the last first; none where `tensor` is also read elsewhere.
    """
    inside: list[Step] = []
    members: set[int] = set()
    waiting = [-makers[id(tensor)]] if id(tensor) in makers else []
    queued = set(waiting)
    while waiting:
        # From the last step to the first: all readers come before their source.
        step = graph.steps[-heapq.heappop(waiting)]
        outputs = {id(output) for output in step.call.outputs}
        readers = [r for o in outputs for r in graph.consumers.get(o, [])]
        if id(tensor) in outputs:
            belongs = readers == [join]
        else:
            belongs = bool(readers) and all(id(r) in members for r in readers)
        if not belongs:
            continue
        members.add(id(step))
        inside.append(step)
        for source in step.call.inputs:
            place = -makers.get(id(source), -1)
            if id(source) in makers and place not in queued:
                queued.add(place)
                heapq.heappush(waiting, place)
    return inside
