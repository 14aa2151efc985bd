"""Residual branches as wholes: which there are, and who keeps which step alive."""

from dataclasses import dataclass
from typing import Any

from keras_diffmask.graph import ChannelGraph, Step
from keras_diffmask.masking.branches import makers_of, way_into

# Beyond this many ways to be alive a step counts as always there: the terms of
# inclusion and exclusion double with each.
_MOST_WAYS = 6


@dataclass(frozen=True, eq=False)
class Residual:
    """A branch F of y = x + F(x), that something else goes round.

    Attributes:
        join: the step that sums.
        index: which of its inputs the branch ends in.
        steps: what feeds that input and nothing else, the last first.
    """

    join: Step
    index: int
    steps: list[Step]

    @property
    def end(self) -> Any:
        """The tensor that the branch adds."""
        return self.join.call.inputs[self.index]


def residuals(graph: ChannelGraph) -> list[Residual]:
    """Every residual branch, the inner before those around it.

    Of the ways into a sum the branches are those that an identity goes round;
    where none does, as beside a projection shortcut, those that a shorter way
    from the same place goes round.
    """
    makers = makers_of(graph)
    found = []
    for step in graph.steps:
        inputs = step.call.inputs
        # A strip cannot take out what has no channels either.
        if not step.can_lose_inputs or len(inputs[0].shape) < 2:
            continue
        ways = [way_into(graph, makers, step, tensor) for tensor in inputs]
        found += [
            Residual(step, index, ways[index])
            for index in _gone_round(graph, makers, step, ways)
            if any(getattr(s.layer, "weights", None) for s in ways[index])
        ]
    return found


def _gone_round(
    graph: ChannelGraph, makers: dict[int, int], join: Step, ways: list[list[Step]]
) -> list[int]:
    """Which inputs of a join may go, because another one stays."""
    branches = [index for index, way in enumerate(ways) if way]
    sources = {index: _sources(ways[index]) for index in branches}
    above = {index: _above(graph, makers, sources[index]) for index in branches}
    identities = [id(tensor) for tensor in join.call.inputs]
    beside = [
        index
        for index in branches
        if any(tensor in above[index] for tensor in identities)
    ]
    if beside or len(branches) < 2:
        return beside
    # Of two that are as long the first is the branch.
    stays = min(reversed(branches), key=lambda index: len(ways[index]))
    return [
        index
        for index in branches
        if index != stays
        and (sources[stays] & above[index] or sources[index] & above[stays])
    ]


def _sources(way: list[Step]) -> set[int]:
    """Ids of the tensors that a way starts from."""
    made = {id(tensor) for step in way for tensor in step.call.outputs}
    return {id(tensor) for step in way for tensor in step.call.inputs} - made


def _above(graph: ChannelGraph, makers: dict[int, int], sources: set[int]) -> set[int]:
    """Ids of these tensors and of all that they come from."""
    found: set[int] = set()
    waiting = list(sources)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            if key in makers:
                inputs = graph.steps[makers[key]].call.inputs
                waiting += [id(tensor) for tensor in inputs]
    return found


def lives(
    graph: ChannelGraph, gate_of: dict[tuple[int, int], int]
) -> dict[int, tuple[frozenset[int], ...]]:
    """Which gates keep which steps, as `Placement.branches` has it.

    Args:
        graph: the channel graph.
        gate_of: (id of a join, which input) -> the gate on that input.
    """
    always = frozenset[frozenset[int]]([frozenset()])
    wanted = {id(tensor): always for tensor in graph.model.outputs}
    result: dict[int, tuple[frozenset[int], ...]] = {}
    for step in reversed(graph.steps):
        ways = _fewest(
            way
            for tensor in step.call.outputs
            for way in wanted.get(id(tensor), frozenset())
        )
        if ways != always:
            result[id(step)] = tuple(sorted(ways, key=sorted))
        for tensor in step.call.masks:
            wanted[id(tensor)] = wanted.get(id(tensor), frozenset()) | ways
        for index, tensor in enumerate(step.call.inputs):
            gate = gate_of.get((id(step), index))
            inside = ways if gate is None else {way | {gate} for way in ways}
            wanted[id(tensor)] = wanted.get(id(tensor), frozenset()) | inside
    return result


def _fewest(ways: Any) -> frozenset[frozenset[int]]:
    """The ways that no other one is a part of."""
    known = set(ways)
    least = {way for way in known if not any(other < way for other in known)}
    return frozenset(least if len(least) <= _MOST_WAYS else [frozenset()])
