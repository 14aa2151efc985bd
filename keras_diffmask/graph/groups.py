"""Groups: units that occur in the same places, and so share a gate."""

from dataclasses import dataclass, field
from itertools import count

import numpy as np

from keras_diffmask.graph.channel_graph import ChannelGraph
from keras_diffmask.graph.rule import Step


@dataclass(eq=False)
class Group:
    """Units that occur in the same axes of the same layers.

    Attributes:
        name: of the first layer that writes them, numbered where that writes
            several groups.
        roots: root of each unit, in the order of the first writer.
        writers: the steps that write them.
    """

    name: str
    roots: np.ndarray
    writers: list[Step] = field(default_factory=list)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that write them."""
        return tuple(dict.fromkeys(step.name for step in self.writers))


@dataclass(eq=False)
class Groups:
    """All groups of a graph, and the one that each unit is in.

    Attributes:
        items: the groups, in the order of the model.
        of_root: index of the group of each unit, -1 where it is in none.
    """

    items: list[Group]
    of_root: np.ndarray


def group(graph: ChannelGraph) -> Groups:
    """Sort the units that layers write into groups.

    Units are in one group when every layer that writes, reads or normalizes
    one of them has the others in the same axis, equally often. Then a cost is
    the same for each of them, and how many are open is all that counts.
    """
    signature = _signatures(graph)
    found = Groups([], np.full(len(graph.units), -1))
    taken = {step.name for step in graph.steps}
    named: set[str] = set()
    for step in graph.steps:
        if not step.rule.writes or not step.outputs:
            continue
        roots = graph.units.root(step.written)
        _, first = np.unique(roots, return_index=True)
        roots = roots[np.sort(first)]
        known = found.of_root[roots]
        for index in dict.fromkeys(known[known >= 0].tolist()):
            found.items[index].writers.append(step)
        fresh = roots[known < 0]
        for value in dict.fromkeys(signature[fresh].tolist()):
            members = fresh[signature[fresh] == value]
            name = step.name
            if name in named:
                free = (f"{step.name}_{number}" for number in count(1))
                name = next(one for one in free if one not in taken)
                taken.add(name)
            named.add(name)
            found.of_root[members] = len(found.items)
            found.items.append(Group(name, members, [step]))
    return found


def _signatures(graph: ChannelGraph) -> np.ndarray:
    """A number per unit, the same for units that occur in the same places."""
    arrays = [
        ids
        for terms in (graph.macs(), graph.parameters())
        for _, term in terms
        for ids in term.axes
        if ids is not None
    ]
    for step in graph.steps:
        if step.rule.writes:
            # Units inside of a layer are no units of its output.
            arrays += [*step.outputs, *step.hidden]
    signature = np.zeros(len(graph.units), np.uint64)
    random = np.random.default_rng(0)
    for ids in arrays:
        roots, counts = np.unique(graph.units.root(ids), return_counts=True)
        salt = random.integers(1, 2**63, dtype=np.uint64)
        mixed = (signature[roots] ^ salt) * np.uint64(0x9E3779B97F4A7C15)
        # A sum would not tell twice in one place from once in two.
        signature[roots] = (mixed ^ (mixed >> np.uint64(29))) + counts.astype(np.uint64)
    return signature
