"""What is decided about the gates of a model before it is built."""

import math
from dataclasses import dataclass, field

import numpy as np

from keras_diffmask.graph import ChannelGraph, Group


@dataclass(eq=False)
class Placement:
    """Everything that `mask_model` needs to know about masks.

    Attributes:
        groups: one per gate.
        gate_of: per unit the index of its root's gate, -1 where it has none.
        min_keep: per gate 1, or 0 where a skip goes round the layers.
        weight_sites: id of a layer -> ids that its `gate_mask` covers.
        output_sites: id of a tensor -> its ids, to be multiplied by their mask.
        branches: id of a step -> sets of gates; the step lives while all gates
            of one of the sets do. Not for what no closed branch can take along.
    """

    groups: list[Group]
    gate_of: np.ndarray
    min_keep: list[int]
    weight_sites: dict[int, np.ndarray] = field(default_factory=dict)
    output_sites: dict[int, np.ndarray] = field(default_factory=dict)
    branches: dict[int, tuple[frozenset[int], ...]] = field(default_factory=dict)

    @property
    def sizes(self) -> list[int]:
        """Units of each gate."""
        return [len(group.roots) for group in self.groups]

    def gates_of(self, roots: np.ndarray) -> list[int]:
        """The gates that some of these units have, in their order."""
        gates = self.gate_of[roots]
        return list(dict.fromkeys(gates[gates >= 0].tolist()))


def units_in_block(graph: ChannelGraph, item: Group, channels: int) -> int:
    """How many units of a gate make whole blocks of channels.

    A unit stands for one channel of a Dense, and for several of a convolution with
    groups, in front of a Reshape or a pixel shuffle, and of a head of attention. All
    units of a group do so alike (`graph.group`).

    Args:
        graph: the channel graph of the model.
        item: the units of the gate.
        channels: how many make a block in the layers that write them.
    """
    units = 1
    for step in item.writers:
        stands_for = []
        for ids in step.outputs:
            own = np.isin(graph.units.root(ids.reshape(-1)), item.roots)
            stands_for.append(int(own.sum()) // len(item.roots))
        if step.hidden and np.isin(graph.units.root(step.hidden[0]), item.roots).any():
            # What is inside of each of these: the keys and the values of a head.
            stands_for += [len(ids) for ids in step.hidden[1:]] or [1]
        for each in filter(None, stands_for):
            units = math.lcm(units, channels // math.gcd(channels, each))
    return units
