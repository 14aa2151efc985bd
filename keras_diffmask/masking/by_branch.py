"""Mask a model branch by branch: one gate per residual branch, which goes whole."""

from collections.abc import Callable

import keras
import numpy as np

from keras_diffmask.graph import ChannelGraph, Channelwise, Group, Step, activations
from keras_diffmask.keras_internals import LayerScale
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.masking.groups import Placement
from keras_diffmask.masking.residual import Residual, lives, residuals

#: What adds to 0 while training, or makes a mask of time steps of it.
_NOT_ZERO_AT_ZERO = (
    keras.layers.GaussianNoise,
    keras.layers.AlphaDropout,
    keras.layers.Masking,
)
#: Channelwise layers whose weights multiply, and nothing else.
_SCALES = (LayerScale, keras.layers.PReLU)
#: Inputs at which a function is asked whether it is one slope on either side.
_PROBES = (-1e4, -7.0, -1.0, -0.1, 0.0, 0.1, 1.0, 7.0, 1e4)


def place_branches(
    graph: ChannelGraph, wanted: Callable[[Group], bool] | None = None
) -> Placement:
    """Decide which branches get a gate, and what each gate's mask multiplies.

    A branch is one more unit of the graph, in no layer's kernel: whatever
    carries its mask is multiplied by that unit's gate.

    Args:
        graph: the channel graph of the model; it gets the new units.
        wanted: whether a branch gets a gate, asked with all of its layers and
            the sum it ends in; all do, by default.
    """
    chosen = [
        branch
        for branch in residuals(graph)
        if wanted is None or wanted(_group(branch, branch.steps))
    ]
    groups = [
        _group(branch, own, graph.units.new(1))
        for branch, own in zip(chosen, _own_steps(chosen), strict=True)
    ]
    gate_of = np.full(len(graph.units), -1)
    for index, item in enumerate(groups):
        gate_of[item.roots] = index
    placement = Placement(groups, gate_of, [0] * len(groups))
    readers = [(id(branch.join), branch.index) for branch in chosen]
    placement.branches = lives(graph, {key: i for i, key in enumerate(readers)})
    calls = [id(step.layer) for step in graph.steps]
    for branch, item in zip(chosen, groups, strict=True):
        step = _carrier(graph, branch)
        if step is not None and calls.count(id(step.layer)) == 1:
            placement.weight_sites[id(step.layer)] = item.roots
        else:
            placement.output_sites[id(branch.end)] = item.roots
    return placement


def _group(
    branch: Residual, steps: list[Step], unit: np.ndarray | None = None
) -> Group:
    roots = np.zeros(0, int) if unit is None else unit
    # Named as a user finds it in the model: by its last layer with weights.
    named = (step for step in branch.steps if getattr(step.layer, "weights", None))
    return Group(f"{next(named).name}_branch", roots, [*steps, branch.join])


def _own_steps(branches: list[Residual]) -> list[list[Step]]:
    """Of each branch what is in none of those inside of it."""
    owner: dict[int, int] = {}
    for index in sorted(range(len(branches)), key=lambda i: len(branches[i].steps)):
        for step in branches[index].steps:
            owner.setdefault(id(step), index)
    return [
        [step for step in branch.steps if owner[id(step)] == index]
        for index, branch in enumerate(branches)
    ]


def _carrier(graph: ChannelGraph, branch: Residual) -> Step | None:
    """The last layer of a branch whose weights can carry the mask, or None.

    From there on m f(x) = f(m x) for every m >= 0, so that a mask on the
    weights is the same function as one on what the branch adds.
    """
    makers = {id(t): step for step in branch.steps for t in step.call.outputs}
    tensor = branch.end
    while id(tensor) in makers:
        step = makers[id(tensor)]
        if len(graph.consumers[id(tensor)]) > 1 or len(step.call.outputs) > 1:
            return None
        if _has_linear_weights(step):
            return step
        if len(step.call.inputs) > 1 or not _scales(step):
            return None
        tensor = step.call.inputs[0]
    return None


def _has_linear_weights(step: Step) -> bool:
    """Whether a mask on weights multiplies the output, and a strip sees it."""
    if type(step.layer) not in STOCK_TO_MASKED:
        return False
    if step.hidden or step.rule.acts_inside or not step.rule.settles(step, True):
        return False
    activation = getattr(step.layer, "activation", None)
    values = [activations.apply(activation, np.array([v])) for v in _PROBES]
    halves = [activations.apply(activation, np.array([v / 2])) for v in _PROBES]
    return _are_halves(halves, values)


def _scales(step: Step) -> bool:
    """Whether a step passes each channel on times a factor for either sign."""
    on_one = isinstance(step.rule, Channelwise) or step.rule.merges
    has_weights = bool(getattr(step.layer, "weights", None))
    if not on_one or isinstance(step.layer, _NOT_ZERO_AT_ZERO):
        return False
    if has_weights and not isinstance(step.layer, _SCALES):
        return False
    shape = step.inputs[0].shape

    def at(value: float) -> np.ndarray:
        return step.rule.constants(step, [np.full(shape, value)])[0]

    return _are_halves([at(v / 2) for v in _PROBES], [at(v) for v in _PROBES])


def _are_halves(halves: list[np.ndarray], values: list[np.ndarray]) -> bool:
    # NaN, of which nothing is known, is no half of anything.
    return np.allclose(2.0 * np.array(halves), np.array(values), rtol=1e-6, atol=0.0)
