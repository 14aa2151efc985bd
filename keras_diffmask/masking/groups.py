"""What is decided about the gates of a model before it is built."""

from dataclasses import dataclass, field

import numpy as np

from keras_diffmask.graph import Step


@dataclass(eq=False)
class Group:
    """Units that one gate covers.

    Attributes:
        roots: root of each unit, in the order of the gate's mask.
        writers: the steps that write them.
        min_keep: 1, or 0 where a skip goes round the layers.
    """

    roots: np.ndarray
    writers: list[Step]
    min_keep: int = 1

    @property
    def name(self) -> str:
        return f"{self.writers[0].name}_gate"


@dataclass(eq=False)
class Placement:
    """Everything that `mask_model` needs to know about masks.

    Attributes:
        groups: one per gate.
        weight_sites: id of a layer -> group whose mask goes on its weights.
        output_sites: id of a tensor -> group whose mask multiplies it.
        positions: id of a tensor or layer -> places of its channels in the
            group's mask; left out where they are in order.
        branches: id of a step -> gates of the residual branch around it.
    """

    groups: list[Group]
    weight_sites: dict[int, int] = field(default_factory=dict)
    output_sites: dict[int, int] = field(default_factory=dict)
    positions: dict[int, list[int]] = field(default_factory=dict)
    branches: dict[int, frozenset[int]] = field(default_factory=dict)

    def gate_of_unit(self) -> dict[int, int]:
        """Root of a unit -> index of its group."""
        return {
            int(root): index
            for index, group in enumerate(self.groups)
            for root in group.roots
        }
