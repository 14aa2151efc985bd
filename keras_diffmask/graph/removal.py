"""Removal: take units out one by one, as long as no layer depends on them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_diffmask.graph.channel_graph import ChannelGraph
from keras_diffmask.graph.rule import Hold, Step

LAST_UNIT = "a layer keeps its last unit unless a skip goes round it"


class Removal:
    """Counts, for each unit, the layers that hold it; at 0 it goes.

    What a layer holds depends on which of its own units are left, so that
    removal runs backwards through the model. Layers are asked again only when
    some of their units went: the work is linear in the model's size.

    Args:
        graph: the channel graph.
        constants: id of a tensor -> value of each channel, NaN where it varies.
        live: the steps that are needed.
    """

    def __init__(
        self, graph: ChannelGraph, constants: dict[int, np.ndarray], live: list[Step]
    ) -> None:
        self.graph = graph
        self.constants = constants
        self.live = live
        self.root = graph.units.roots()
        self.kept = np.ones(len(graph.units), bool)
        self.stuck: dict[int, str] = {}
        self._count = np.zeros(len(graph.units), np.int64)
        self._held: dict[int, list[Hold]] = {}
        self._reasons: dict[int, str] | None = None
        self._seen: dict[int, int] = {}
        self._disagreements: list[Hold] = []
        self._protected = np.zeros(len(graph.units), bool)
        self._protected[list(graph.protected)] = True
        self._index_tensors()

    def _index_tensors(self) -> None:
        """Which tensors, and vectors of hidden units, each unit is in."""
        vectors = [
            np.unique(self.root[ids.reshape(-1)])
            for step in self.live
            for ids in (*step.outputs, *step.hidden)
        ]
        sizes = np.array([len(vector) for vector in vectors], np.int64)
        self._left = sizes.copy()
        # Those that may lose their last unit as well are never down to it.
        may_empty = dispensable(self.graph, self.live)
        self._left += [
            id(tensor) in may_empty
            for step in self.live
            for tensor in (*step.call.outputs, *step.hidden)
        ]
        units = np.concatenate(vectors) if vectors else np.zeros(0, np.int64)
        places = np.repeat(np.arange(len(vectors)), sizes)
        order = np.argsort(units, kind="stable")
        self._places = places[order]
        self._start = np.searchsorted(units[order], np.arange(len(self.root) + 1))

    def run(self) -> None:
        """Remove until nothing more can go."""
        self._hold_what_calls_disagree_on()
        for step in self.live:
            self._ask(step)
        self._remove(np.flatnonzero(self.root == np.arange(len(self.root))))
        changed = True
        while changed:
            changed = False
            for step in reversed(self.live):
                left = int(self.kept[self.root[step.written]].sum())
                if left != self._seen[id(step)]:
                    changed |= self._remove(self._ask(step))

    def _hold_what_calls_disagree_on(self) -> None:
        """A layer's one bias cannot take in different constants of its calls."""
        first: dict[int, Step] = {}
        for step in self.live:
            other = first.setdefault(id(step.layer), step)
            if other is step or other.rule is not step.rule or not step.rule.reads:
                continue
            ours = self._values(step.call.inputs, step.inputs)
            theirs = self._values(other.call.inputs, other.inputs)
            reason = f"{step.name} is called on different constants"
            for a, b, ids in zip(ours, theirs, step.inputs, strict=False):
                if a.size != b.size:
                    continue
                differ = a.reshape(-1) != b.reshape(-1)
                hold = Hold(ids.reshape(-1)[differ & ~np.isnan(a.reshape(-1))], reason)
                self._disagreements.append(hold)
        np.add.at(self._count, self._units(self._disagreements), 1)

    def _ask(self, step: Step) -> np.ndarray:
        """Renew what a step holds; return the units that it held before."""
        self._seen[id(step)] = int(self.kept[self.root[step.written]].sum())
        before = self._units(self._held.get(id(step), []))
        inputs = self._values(step.call.inputs, step.inputs)
        outputs = self._values(step.call.outputs, step.outputs)
        held = list(step.rule.holds(step, self.kept, inputs, outputs))
        np.add.at(self._count, before, -1)
        np.add.at(self._count, self._units(held), 1)
        self._held[id(step)] = held
        return np.unique(before)

    def _values(
        self, tensors: tuple[Any, ...], ids: list[np.ndarray]
    ) -> list[np.ndarray]:
        """The constants of tensors, NaN where they vary, shaped like their ids."""
        return [
            np.broadcast_to(self.constants.get(id(tensor), np.nan), array.shape)
            for tensor, array in zip(tensors, ids, strict=True)
        ]

    def _units(self, holds: list[Hold]) -> np.ndarray:
        ids = [hold.ids.reshape(-1) for hold in holds]
        return self.root[np.concatenate(ids)] if ids else np.zeros(0, np.int64)

    def _remove(self, candidates: np.ndarray) -> bool:
        """Take out those that nothing holds; return whether any went."""
        free = self.kept[candidates] & (self._count[candidates] == 0)
        free &= ~self._protected[candidates]
        went = False
        # From the last to the first: of a layer that loses all, the first stays.
        for unit in candidates[free][::-1].tolist():
            places = self._places[self._start[unit] : self._start[unit + 1]]
            if np.any(self._left[places] <= 1):
                self.stuck[unit] = LAST_UNIT
                continue
            self._left[places] -= 1
            self.kept[unit] = False
            went = True
        return went

    def reason(self, unit: int) -> str | None:
        """Why a unit is held, in words that name the layer."""
        if self._reasons is None:
            self._reasons = {}
            for hold, reason in self._explained():
                for held in np.unique(self.root[hold.ids.reshape(-1)]).tolist():
                    self._reasons.setdefault(held, reason)
        return self._reasons.get(unit)

    def _explained(self) -> Iterator[tuple[Hold, str]]:
        """Every hold with its reason, those that a rule put into words first."""
        held = [(step, hold) for step in self.live for hold in self._held[id(step)]]
        worded = [*self._disagreements, *(hold for _, hold in held)]
        yield from ((hold, hold.reason) for hold in worded if hold.reason)
        for step, hold in held:
            yield hold, f"it is open where {step.name} reads it"


def dispensable(graph: ChannelGraph, live: list[Step]) -> set[int]:
    """Ids of the tensors that the model can do without, once all channels are gone.

    Parts that only a concatenation reads, by way of layers that pass channels
    on: a slice of what is joined again, say. Not what a layer writes itself:
    behind that one there may be more to remove, and its gate keeps a unit.
    """
    found: set[int] = set()
    outputs = {id(tensor) for tensor in graph.model.outputs}
    for step in reversed(live):
        if len(step.call.outputs) > 1 or step.hidden or step.rule.reads:
            continue
        (tensor,) = step.call.outputs
        readers = graph.consumers.get(id(tensor), [])
        passes = step.rule.does_without(step) or _passes_on(step)
        if passes and readers and id(tensor) not in outputs:
            if all(_spares(reader, found) for reader in readers):
                found.add(id(tensor))
    return found


def _spares(reader: Step, found: set[int]) -> bool:
    if reader.rule.does_without(reader):
        return True
    return _passes_on(reader) and id(reader.call.outputs[0]) in found


def _passes_on(step: Step) -> bool:
    one_each = len(step.call.inputs) == len(step.call.outputs) == 1
    return one_each and not (step.rule.reads or step.rule.writes or step.hidden)
