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
        name: of one of the layers that write them, numbered where that writes
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
    for step in graph.steps:
        if not step.rule.writes or not step.outputs:
            continue
        roots = _in_order(graph.units.root(step.written))
        known = found.of_root[roots]
        for index in dict.fromkeys(known[known >= 0].tolist()):
            found.items[index].writers.append(step)
        fresh = roots[known < 0]
        for value in dict.fromkeys(signature[fresh].tolist()):
            members = fresh[signature[fresh] == value]
            found.of_root[members] = len(found.items)
            found.items.append(Group("", members, [step]))
    _name(graph, found)
    return found


def _in_order(roots: np.ndarray) -> np.ndarray:
    """Each root once, in the order in which they come first."""
    _, first = np.unique(roots, return_index=True)
    return roots[np.sort(first)]


def _name(graph: ChannelGraph, groups: Groups) -> None:
    """Name groups after one of their layers, whatever order the model runs in."""
    taken = {step.name for step in graph.steps}
    of_layer: dict[str, list[Group]] = {}
    for item in groups.items:
        base = min(item.layers, key=lambda name: (len(name), name))
        of_layer.setdefault(base, []).append(item)
    for base, items in of_layer.items():
        writer = next(step for step in items[0].writers if step.name == base)
        places = groups.of_root[_in_order(graph.units.root(writer.written))]
        ordered = [groups.items[index] for index in dict.fromkeys(places.tolist())]
        free = (name for n in count(1) if (name := f"{base}_{n}") not in taken)
        for number, item in enumerate(x for x in ordered if x in items):
            item.name = next(free) if number else base
            taken.add(item.name)


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
    # What must stay keeps none of its neighbours.
    signature[list(graph.protected)] = 1
    random = np.random.default_rng(0)
    for ids in arrays:
        roots, counts = np.unique(graph.units.root(ids), return_counts=True)
        salt = random.integers(1, 2**63, dtype=np.uint64)
        mixed = (signature[roots] ^ salt) * np.uint64(0x9E3779B97F4A7C15)
        # A sum would not tell twice in one place from once in two.
        signature[roots] = (mixed ^ (mixed >> np.uint64(29))) + counts.astype(np.uint64)
    return signature
