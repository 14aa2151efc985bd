"""Which gates the channels and calls of a graph depend on."""

from dataclasses import dataclass

import numpy as np

from keras_diffmask.graph import ChannelGraph, Step, Term
from keras_diffmask.lowering import Size
from keras_diffmask.lowering.program import Alive


@dataclass(eq=False)
class Gating:
    """The gates of a graph; none at all for a model that is stripped already.

    Attributes:
        graph: the channel graph of the dense model.
        gate_of: per unit the index of its root's gate; -1 where it always stays.
        sizes: units of each gate. They occur together (`graph.group`).
        branches: id of a step -> sets of gates; the step lives while all gates
            of one of the sets do.
    """

    graph: ChannelGraph
    gate_of: np.ndarray
    sizes: list[int]
    branches: dict[int, tuple[frozenset[int], ...]]

    @classmethod
    def without_gates(cls, graph: ChannelGraph) -> "Gating":
        """Everything stays."""
        return cls(graph, np.full(len(graph.units), -1), [], {})

    @property
    def closes_at_the_end(self) -> bool:
        """Whether the gates are of whole branches, which then leave no constant."""
        written = [step.written for step in self.graph.steps if step.outputs]
        ids = np.concatenate(written) if written else np.zeros(0, int)
        return bool(self.sizes) and not np.any(
            self.gate_of[self.graph.units.root(ids)] >= 0
        )

    def axis(self, ids: np.ndarray | None) -> tuple[float, ...]:
        """Per gate how often each of its units is among the ids; the rest last."""
        gates = len(self.sizes)
        if ids is None:
            return (*[0.0] * gates, 1.0)
        # Entries of units without a gate land on the last place, the constant.
        owners = self.gate_of[self.graph.units.root(ids.reshape(-1))]
        counts = np.bincount(np.where(owners < 0, gates, owners), minlength=gates + 1)
        return tuple((counts / np.array([*self.sizes, 1], float)).tolist())

    def size(self, term: Term) -> Size:
        """A product of units in terms of gates."""
        factor, axes = term.factor, []
        for ids in term.axes:
            if ids is None:
                continue
            counts = self.axis(ids)
            held = [(gate, n) for gate, n in enumerate(counts[:-1]) if n]
            if held:
                axes.append((*held, *[(-1, counts[-1])] * bool(counts[-1])))
            else:
                factor *= counts[-1]
        return Size(factor, tuple(axes))

    def alive(self, step: Step) -> Alive:
        """Sets of gates that the call lives with; none where it always does."""
        around = self.branches.get(id(step), ())
        if not all(around):
            return ()
        return tuple(tuple(sorted(gates)) for gates in around)
