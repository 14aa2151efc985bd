"""Where the gates of a model go: one per set of tied units, as cheap as can be."""

import keras
import numpy as np

from keras_diffmask.graph import ChannelGraph, Step
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.masking.branches import find_branches
from keras_diffmask.masking.groups import Group, Placement


def place(graph: ChannelGraph) -> Placement:
    """Decide which units share a gate, and what each gate's mask multiplies."""
    placement = Placement(_groups(graph))
    gate_of = placement.gate_of_unit()
    zero: set[int] = set()
    for step in graph.steps:
        if not step.outputs:
            continue
        roots = graph.units.root(step.outputs[0].reshape(-1))
        group = gate_of.get(int(roots[0])) if len(roots) else None
        if group is None:
            continue
        if _put_mask(graph, placement, step, group, zero):
            continue
        zero.update(id(tensor) for tensor in step.call.outputs)
    find_branches(graph, placement, gate_of)
    return placement


def _put_mask(
    graph: ChannelGraph, placement: Placement, step: Step, group: int, zero: set[int]
) -> bool:
    """Mask the step's weights or output if it needs that.

    Returns:
        Whether its output is left without zeros (the next layer masks it).
    """
    comes_zero = all(id(tensor) in zero for tensor in step.call.inputs)
    if not step.rule.reads and step.rule.leak_free(step) and comes_zero:
        return False
    if step.rule.reads and _normalized_next(graph, step):
        return True
    if type(step.layer) in STOCK_TO_MASKED:
        placement.weight_sites[id(step.layer)] = group
        _note_positions(graph, placement, step, group, id(step.layer))
        return False
    tensor = step.call.outputs[0]
    placement.output_sites[id(tensor)] = group
    _note_positions(graph, placement, step, group, id(tensor))
    return False


def _normalized_next(graph: ChannelGraph, step: Step) -> bool:
    """Whether every reader of the step is a BatchNormalization.

    It takes the mask then: its beta would undo one on the kernel.
    """
    readers = graph.consumers.get(id(step.call.outputs[0]), [])
    return bool(readers) and all(
        type(reader.layer) is keras.layers.BatchNormalization for reader in readers
    )


def _note_positions(
    graph: ChannelGraph, placement: Placement, step: Step, group: int, key: int
) -> None:
    order = {int(root): i for i, root in enumerate(placement.groups[group].roots)}
    roots = graph.units.root(step.outputs[0].reshape(-1)).tolist()
    places = [order[root] for root in roots]
    if places != list(range(len(order))):
        placement.positions[key] = places


def _groups(graph: ChannelGraph) -> list[Group]:
    groups: list[Group] = []
    home: dict[int, Group] = {}
    for step in graph.steps:
        if not step.rule.reads or not step.outputs:
            continue
        roots = graph.units.root(step.outputs[0].reshape(-1)).tolist()
        if any(root in graph.protected for root in roots):
            continue
        known = {id(home[root]): home[root] for root in roots if root in home}
        if not known:
            group = Group(np.array(list(dict.fromkeys(roots))), [step])
            groups.append(group)
        else:
            group, *others = known.values()
            group.writers.append(step)
            for other in others:
                group.writers += other.writers
                group.roots = np.concatenate([group.roots, other.roots])
                groups.remove(other)
            fresh = [r for r in dict.fromkeys(roots) if r not in group.roots]
            group.roots = np.concatenate([group.roots, np.array(fresh, np.int64)])
        for root in group.roots.tolist():
            home[root] = group
    return groups
