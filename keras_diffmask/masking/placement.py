"""Where the gates of a model go: one per group of units, as cheap as can be."""

from collections.abc import Callable

import keras
import numpy as np

from keras_diffmask.graph import ChannelGraph, Group, Step, group
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.masking.branches import find_branches
from keras_diffmask.masking.groups import Placement


def place(
    graph: ChannelGraph, wanted: Callable[[Group], bool] | None = None
) -> Placement:
    """Decide which units share a gate, and what each gate's mask multiplies.

    Args:
        graph: the channel graph of the model.
        wanted: whether a group gets a gate; all that can, by default.
    """
    groups = [
        item
        for item in group(graph).items
        if _can_be_gated(graph, item) and (wanted is None or wanted(item))
    ]
    gate_of = np.full(len(graph.units), -1)
    for index, item in enumerate(groups):
        gate_of[item.roots] = index
    placement = Placement(groups, gate_of, [1] * len(groups))
    _Sites(graph, placement).find()
    find_branches(graph, placement)
    return placement


def _can_be_gated(graph: ChannelGraph, item: Group) -> bool:
    if any(int(root) in graph.protected for root in item.roots):
        return False
    # A masked layer takes a mask for the first kind of its hidden units.
    out_of_reach = [ids for step in item.writers for ids in step.hidden[1:]]
    if any(np.isin(item.roots, graph.units.root(ids)).any() for ids in out_of_reach):
        return False
    return all(
        not step.rule.acts_inside or type(step.layer) in STOCK_TO_MASKED
        for step in item.writers
    )


class _Sites:
    """Walks the model, and sees to it that a closed channel is 0 where it is read."""

    def __init__(self, graph: ChannelGraph, placement: Placement) -> None:
        self.graph = graph
        self.placement = placement
        # Tensors whose closed channels are exactly 0.
        self.zero: set[int] = {id(tensor) for tensor in graph.model.inputs}

    def find(self) -> None:
        for step in self.graph.steps:
            if step.hidden and self._is_gated(np.concatenate(step.hidden)):
                self._mask_hidden(step)
            outputs = zip(step.call.outputs, step.outputs, strict=True)
            gated = [id(t) for t, ids in outputs if self._is_gated(ids)]
            self.zero |= {id(t) for t in step.call.outputs} - set(gated)
            if gated and not self._is_left_open(step):
                self.zero.update(gated)

    def _is_gated(self, ids: np.ndarray) -> bool:
        roots = self.graph.units.root(ids.reshape(-1))
        return bool(np.any(self.placement.gate_of[roots] >= 0))

    def _mask_hidden(self, step: Step) -> None:
        """Units inside of a layer: its masked form takes a mask for the first kind."""
        if type(step.layer) in STOCK_TO_MASKED:
            self.placement.weight_sites[id(step.layer)] = step.hidden[0]

    def _is_left_open(self, step: Step) -> bool:
        """Mask the step's weights or output if it needs that.

        Returns:
            Whether its output is left without zeros (the next layer masks it).
        """
        zeros = [id(tensor) in self.zero for tensor in step.call.inputs]
        comes_zero = any(zeros) if step.rule.absorbs else all(zeros)
        if self._passes(step) and step.rule.leak_free(step) and comes_zero:
            return False
        if self._is_masked_next(step):
            return True
        if type(step.layer) in STOCK_TO_MASKED and not step.hidden:
            self.placement.weight_sites[id(step.layer)] = step.outputs[0].reshape(-1)
            return False
        for tensor, ids in zip(step.call.outputs, step.outputs, strict=True):
            if self._is_gated(ids):
                self.placement.output_sites[id(tensor)] = ids
        return False

    def _passes(self, step: Step) -> bool:
        """Whether the units of the output are all units of the inputs."""
        if not step.rule.writes:
            return True
        known = np.concatenate([ids.reshape(-1) for ids in step.inputs])
        known = self.graph.units.root(known)
        return bool(np.isin(self.graph.units.root(step.written), known).all())

    def _is_masked_next(self, step: Step) -> bool:
        """Whether every reader of the step closes its channels by itself.

        A BatchNormalization takes the mask, since its beta would undo one on
        the kernel; a product with a channel that is 0 is 0.
        """
        readers = [
            (reader, tensor)
            for tensor in step.call.outputs
            for reader in self.graph.consumers.get(id(tensor), [])
        ]
        return bool(readers) and all(
            type(reader.layer) is keras.layers.BatchNormalization
            or self._is_absorbed(reader, tensor)
            for reader, tensor in readers
        )

    def _is_absorbed(self, reader: Step, tensor: object) -> bool:
        others = [id(x) for x in reader.call.inputs if x is not tensor]
        return reader.rule.absorbs and any(other in self.zero for other in others)
