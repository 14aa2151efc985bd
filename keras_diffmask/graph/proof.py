"""Prove which units of a stock model can go, before anything is cut."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_diffmask.graph.channel_graph import ChannelGraph
from keras_diffmask.graph.removal import Removal
from keras_diffmask.graph.rule import Step, Term


@dataclass(frozen=True)
class ClosedBranch:
    """A branch that a sum does without; `str` of it is a line for people.

    Attributes:
        join: name of the layer or operator that sums.
        layers: names of the layers that go with the branch.
    """

    join: str
    layers: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.layers)
        names = names if len(names) <= 60 else names[:57] + "..."
        return f"branch of {self.join}: closed ({names})"


@dataclass(eq=False)
class Proof:
    """What can go, and why the rest of the closed units stay.

    Attributes:
        graph: the channel graph of the stock model.
        constants: id of a tensor -> value of each channel, NaN where it varies.
        kept: bool per unit, by its root.
        stuck: root of a unit that is constant and stays -> reason.
        cut_inputs: (step, index) of Add inputs that are constant throughout.
        live: the steps that are still needed.
    """

    graph: ChannelGraph
    constants: dict[int, np.ndarray]
    kept: np.ndarray
    stuck: dict[int, str]
    cut_inputs: set[tuple[int, int]]
    live: list[Step]

    @property
    def removes_nothing(self) -> bool:
        """Whether every unit and every step stays."""
        stays = self.stays(np.arange(len(self.graph.units)))
        return bool(stays.all()) and len(self.live) == len(self.graph.steps)

    def stays(self, ids: np.ndarray) -> np.ndarray:
        """Boolean vector over ids, flattened: what stays."""
        return self.kept[self.graph.units.root(ids.reshape(-1))]

    def value(self, step: Step, index: int) -> np.ndarray:
        """The constants on one input of a step, NaN where it varies."""
        tensor: Any = step.call.inputs[index]
        default = np.full(step.inputs[index].shape, np.nan)
        return self.constants.get(id(tensor), default)

    def rows(self, step: Step) -> np.ndarray:
        """Which channels of its first input a step goes on taking."""
        rows = self.stays(step.inputs[0])
        taken = step.rule.takes(step, rows, self.kept)
        return taken if taken.any() else rows

    def count(
        self, terms: list[tuple[Step, Term]], of_weights: bool = False
    ) -> dict[str, tuple[int, int]]:
        """Layer -> the value of a cost before and after the cut.

        Args:
            terms: the cost's, each with its call.
            of_weights: whether it counts weights, which repeated calls share.
        """
        live = {id(step) for step in self.live}
        called = {id(step.layer) for step in self.live}
        totals: dict[str, tuple[int, int]] = {}
        for step, term in terms:
            before, after = term.size(len), 0.0
            # Weights are there as long as any call of their layer is.
            if id(step) in live or (of_weights and id(step.layer) in called):
                rows = self.rows(step) if term.takes_input else None
                after = term.size(lambda ids: int(self.stays(ids).sum()), rows)
            old = totals.get(step.name, (0, 0))
            totals[step.name] = (old[0] + round(before), old[1] + round(after))
        return totals

    def closed_branches(self) -> tuple[ClosedBranch, ...]:
        """The branches that go whole, in the order of the model."""
        live = {id(step) for step in self.live}
        called = {id(step.layer) for step in self.live}
        found = []
        for join in self.live:
            inputs = enumerate(join.call.inputs)
            cuts = self.cut_inputs
            wanted = {id(x) for index, x in inputs if (id(join), index) in cuts}
            names: list[str] = []
            for step in reversed(self.graph.steps) if wanted else ():
                makes = wanted & {id(tensor) for tensor in step.call.outputs}
                if makes and id(step) not in live:
                    wanted.update(id(tensor) for tensor in step.call.inputs)
                    names += [step.name] * (id(step.layer) not in called)
            layers = tuple(dict.fromkeys(reversed(names)))
            found += [ClosedBranch(join.name, layers)] * bool(layers)
        return tuple(found)


def prove(graph: ChannelGraph) -> Proof:
    """Decide, unit by unit, what an exact strip removes.

    A unit goes when every layer that reads it either does not depend on it
    (its kernel rows are 0), or reads a constant there that it can fold into
    its bias; 0 is the constant that always folds.
    """
    constants = _constants(graph)
    cut_inputs = _constant_branches(graph, constants)
    live = _live(graph, cut_inputs)
    removal = Removal(graph, constants, live)
    removal.run()
    kept = removal.kept
    # What has lost all of its channels is no longer there.
    live = [step for step in live if not _is_empty(step, kept, removal.root)]
    proof = Proof(graph, constants, kept, removal.stuck, cut_inputs, live)
    _explain_what_stays(proof, removal)
    return proof


def _is_empty(step: Step, kept: np.ndarray, root: np.ndarray) -> bool:
    units = [root[ids.reshape(-1)] for ids in step.outputs]
    return any(map(len, units)) and not any(kept[part].any() for part in units)


def _constants(graph: ChannelGraph) -> dict[int, np.ndarray]:
    values: dict[int, np.ndarray] = {}
    for step in graph.steps:
        inputs = [
            values.get(id(tensor), np.full(ids.shape, np.nan))
            for tensor, ids in zip(step.call.inputs, step.inputs, strict=True)
        ]
        outputs = step.rule.constants(step, inputs)
        trio = zip(step.call.outputs, step.outputs, outputs, strict=True)
        for tensor, ids, value in trio:
            values[id(tensor)] = np.broadcast_to(value, ids.shape)
    return values


def _constant_branches(graph: ChannelGraph, constants: dict) -> set[tuple[int, int]]:
    """Inputs of an Add that are constant in every channel, while another is not."""
    cut = set()
    for step in graph.steps:
        if not step.can_lose_inputs:
            continue
        fixed = [
            id(tensor) in constants and not np.isnan(constants[id(tensor)]).any()
            for tensor in step.call.inputs
        ]
        if all(fixed):
            continue
        cut |= {(id(step), index) for index, is_fixed in enumerate(fixed) if is_fixed}
    return cut


def _live(graph: ChannelGraph, cut_inputs: set[tuple[int, int]]) -> list[Step]:
    wanted = {id(tensor) for tensor in graph.model.outputs}
    live = []
    for step in reversed(graph.steps):
        if not any(id(tensor) in wanted for tensor in step.call.outputs):
            continue
        live.append(step)
        wanted.update(id(mask) for mask in step.call.masks)
        for index, tensor in enumerate(step.call.inputs):
            if (id(step), index) not in cut_inputs:
                wanted.add(id(tensor))
    return live[::-1]


def _explain_what_stays(proof: Proof, removal: Removal) -> None:
    """Give every unit that is closed somewhere, and stays, its reason."""
    found: dict[int, str] = {}
    for step in proof.live:
        opened = _opened(proof, step)
        for index, ids in enumerate(step.inputs):
            if (id(step), index) in proof.cut_inputs:
                continue
            value = np.broadcast_to(proof.value(step, index), ids.shape).reshape(-1)
            units = removal.root[ids.reshape(-1)]
            closed = ~np.isnan(value) & proof.kept[units]
            for unit in np.unique(units[closed]).tolist():
                found.setdefault(unit, "")
            if step.rule.merges and opened.size == value.size:
                for unit in np.unique(units[closed & opened]).tolist():
                    verb = "adds" if step.rule.sums_inputs else "joins it to"
                    proof.stuck.setdefault(
                        unit, f"{step.name} {verb} a channel that is open"
                    )
    for unit in found:
        reason = proof.graph.protected.get(unit) or removal.reason(unit)
        proof.stuck.setdefault(unit, reason or _TIED)


def _opened(proof: Proof, step: Step) -> np.ndarray:
    """Bool per channel of the first output: whether it varies."""
    value = proof.constants.get(id(step.call.outputs[0]))
    return np.zeros(0, bool) if value is None else np.isnan(value).reshape(-1)


_TIED = "it is tied to a channel that stays"
