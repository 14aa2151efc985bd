"""Residual branches: which of their gates may close wholly, and take them along."""

from typing import Any

from keras_diffmask.graph import ChannelGraph, Step
from keras_diffmask.masking.groups import Placement


def find_branches(
    graph: ChannelGraph, placement: Placement, gate_of: dict[int, int]
) -> None:
    """Let a residual branch lose its last unit, and go as a whole."""
    taken: set[int] = set()
    for step in graph.steps:
        if not step.rule.sums_inputs or len(step.call.inputs) < 2:
            continue
        # The longest way into the Add may go; the others go round it.
        inside = max((_branch(graph, step, t) for t in step.call.inputs), key=len)
        gates = frozenset(
            gate
            for gate in _gates_inside(graph, placement, gate_of, inside)
            if _silences(placement, gate, inside)
        )
        if not gates or gates & taken:
            continue
        taken |= gates
        for gate in gates:
            placement.groups[gate].min_keep = 0
        for inner in inside:
            placement.branches[id(inner)] = gates


def _gates_inside(
    graph: ChannelGraph,
    placement: Placement,
    gate_of: dict[int, int],
    inside: list[Step],
) -> frozenset[int]:
    """The gates whose every writer lies inside the branch."""
    members = {id(step) for step in inside}
    roots = [
        root
        for step in inside
        if step.rule.reads
        for root in graph.units.root(step.outputs[0].reshape(-1)).tolist()
    ]
    return frozenset(
        gate_of[root]
        for root in roots
        if root in gate_of
        and all(id(w) in members for w in placement.groups[gate_of[root]].writers)
    )


def _silences(placement: Placement, gate: int, inside: list[Step]) -> bool:
    """Whether a branch is constant once this gate is wholly closed.

    Not so where something in between turns a constant back into a signal, as
    zero padding does at the border, or has no rule.

    Args:
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
        if gate in sites:
            zero_at |= dict.fromkeys(outputs, True)
        elif None in inputs:
            continue
        elif all(inputs) and not step.rule.reads and step.rule.leak_free(step):
            zero_at |= dict.fromkeys(outputs, True)
        elif step.rule.settles(step, all(inputs)):
            zero_at |= dict.fromkeys(outputs, False)
    return id(inside[0].call.outputs[0]) in zero_at


def _branch(graph: ChannelGraph, join: Step, tensor: Any) -> list[Step]:
    """The steps that feed `tensor` and nothing else, back to where it forks."""
    inside: list[Step] = []
    members: set[int] = set()
    for step in reversed(graph.steps):
        outputs = {id(output) for output in step.call.outputs}
        readers = [r for o in outputs for r in graph.consumers.get(o, [])]
        if id(tensor) in outputs:
            belongs = readers == [join]
        else:
            belongs = bool(readers) and all(id(r) in members for r in readers)
        if belongs:
            members.add(id(step))
            inside.append(step)
    return inside
