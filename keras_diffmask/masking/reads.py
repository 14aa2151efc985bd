"""Estimators that read a layer's weights: which groups of channels suit them."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from keras_diffmask.estimators import Estimator
from keras_diffmask.graph import ChannelGraph, Group, Step
from keras_diffmask.masking.groups import Placement
from keras_diffmask.masking.placement import place
from keras_diffmask.masking.selection import Selection

#: Operators by the name that their function has as an activation.
_OPERATORS = {
    "relu": keras_internals.operation_classes("Relu"),
    "relu6": keras_internals.operation_classes("Relu6"),
}


def place_readable(graph: ChannelGraph, selection: Selection) -> Placement:
    """Where the gates go, those left out whose estimator cannot read its layer.

    Args:
        graph: the channel graph of the model.
        selection: which layers, and with which estimators.

    Raises:
        InvalidArgumentError: such a layer was asked for.
        UnsupportedModelError: no gate is left.
    """
    left_whole: dict[str, str] = {}
    named: dict[str, Estimator] = {}

    def wanted(item: Group) -> bool:
        return item.name not in left_whole and selection.takes_group(item)

    while True:
        placement = place(graph, wanted)
        before = len(left_whole)
        for index, item in enumerate(placement.groups):
            layers = [step.layer for step in item.writers]
            estimator = selection.estimator_of(layers)
            reason = _reason(graph, placement, index, estimator)
            if reason is None:
                continue
            if selection.is_explicit(layers):
                raise _refused(item.name, estimator, reason)
            left_whole[item.name] = reason
            named[type(estimator).__name__] = estimator
        # What is left out may have shared a layer with what is not.
        if len(left_whole) == before:
            break
    if left_whole and not placement.groups:
        raise _nothing_readable(graph.model, named, left_whole)
    if left_whole:
        _warn(named, left_whole)
    return placement


def _reason(
    graph: ChannelGraph, placement: Placement, index: int, estimator: Estimator
) -> str | None:
    """Why an estimator cannot stand for a gate; None if it can."""
    carrier = estimator.carrier
    if carrier is None:
        return None
    group = placement.groups[index]
    sites = _weight_sites(graph, placement, index)
    outputs = _output_sites(graph, placement, index)
    ties = _ties(graph, group)
    if ties is not None:
        return f"{ties} ties it to other channels"
    for step in sites:
        ids = placement.weight_sites[id(step.layer)].reshape(-1)
        is_own = np.array_equal(graph.units.root(ids), group.roots)
        if type(step.layer) is carrier and not is_own:
            return f"{step.name} normalizes other channels as well"
    if outputs or len(sites) != 1:
        names = " and ".join(step.name for step in (*sites, *outputs))
        return f"its mask would lie on {names or 'no layer'}"
    (site,) = sites
    if type(site.layer) is not carrier:
        return f"no {carrier.__name__} follows {site.name}"
    missing = [n for n in estimator.reads if getattr(site.layer, n, None) is None]
    if missing:
        return f"{site.name} has no {' and no '.join(missing)}"
    if sum(step.layer is site.layer for step in graph.steps) > 1:
        return f"{site.name} is called more than once"
    return _reason_behind(graph, site, estimator)


def _reason_behind(graph: ChannelGraph, site: Step, estimator: Estimator) -> str | None:
    """Why what follows the layer does not suit; None if it does."""
    if not estimator.followed_by:
        return None
    name, needs = type(estimator).__name__, " or ".join(estimator.followed_by)
    for tensor in site.call.outputs:
        for reader in graph.consumers.get(id(tensor), []):
            follows = activation_name(reader.layer)
            if follows not in estimator.followed_by:
                what = follows or reader.name
                return f"{what} follows {site.name}, {name} needs {needs}"
    return None


def activation_name(layer: Any) -> str | None:
    """The activation that a layer or operator is and nothing else; None if none.

    A `ReLU` with a bound counts as relu. What is no activation of Keras', or
    a ReLU with a slope or a threshold of its own, goes by its layer's name.
    """
    if isinstance(layer, keras.layers.ReLU):
        is_plain = layer.negative_slope == 0 and layer.threshold == 0
        return "relu" if is_plain else layer.name
    if isinstance(layer, keras.layers.Activation):
        name = getattr(layer.activation, "__name__", "")
        if name in _OPERATORS:
            is_known = layer.activation is keras.activations.get(name)
            return name if is_known else layer.name
        return f"{name} ({layer.name})"
    operators = (name for name, kinds in _OPERATORS.items() if isinstance(layer, kinds))
    return next(operators, None)


def _weight_sites(graph: ChannelGraph, placement: Placement, index: int) -> list[Step]:
    """The first call of each layer whose weights the gate's mask multiplies."""
    steps = {id(step.layer): step for step in reversed(graph.steps)}
    return [
        steps[key]
        for key, ids in placement.weight_sites.items()
        if _covers(graph, placement, index, ids)
    ]


def _output_sites(graph: ChannelGraph, placement: Placement, index: int) -> list[Step]:
    """The calls whose output the gate's mask multiplies."""
    return [
        step
        for step in graph.steps
        for tensor in step.call.outputs
        if (ids := placement.output_sites.get(id(tensor))) is not None
        and _covers(graph, placement, index, ids)
    ]


def _covers(
    graph: ChannelGraph, placement: Placement, index: int, ids: np.ndarray
) -> bool:
    roots = graph.units.root(ids.reshape(-1))
    return bool(np.any(placement.gate_of[roots] == index))


def _ties(graph: ChannelGraph, group: Group) -> str | None:
    """The name of an Add (or its like) that makes channels of several layers one."""
    if len(group.writers) < 2:
        return None
    for step in graph.steps:
        joins = step.rule.sums_inputs and len(step.call.inputs) > 1
        for ids in step.outputs if joins else ():
            if np.isin(group.roots, graph.units.root(ids.reshape(-1))).any():
                return step.name
    return None


def _needs(estimator: Estimator) -> str:
    carrier: Any = estimator.carrier
    behind = " or ".join(estimator.followed_by)
    weights = " and ".join(estimator.reads)
    return (
        f"a {carrier.__name__} with {weights} for its channels alone"
        f"{f', and {behind} behind that' if behind else ''}"
    )


def _refused(layer: str, estimator: Estimator, reason: str) -> InvalidArgumentError:
    name = type(estimator).__name__
    return InvalidArgumentError(
        f"behind {layer!r}, for {name}, {_needs(estimator)}",
        f"a model in which {reason}",
        f"Choose another estimator for {layer!r}, such as 'hard_concrete', or leave "
        "the layer out.",
    )


def _nothing_readable(
    model: keras.Model, named: dict[str, Estimator], reasons: dict[str, str]
) -> UnsupportedModelError:
    needs = " or ".join(_needs(estimator) for estimator in named.values())
    return UnsupportedModelError(
        f"a model with at least one layer that has behind it, for "
        f"{' or '.join(named)}, {needs}",
        f"model {model.name!r}, where {_listed(list(reasons.items()))}",
        "Pass another estimator, such as 'hard_concrete'.",
    )


def _warn(named: dict[str, Estimator], reasons: dict[str, str]) -> None:
    names = " and ".join(named)
    warnings.warn(
        f"{names} leaves {len(reasons)} of the groups of channels whole: "
        f"{_listed(list(reasons.items()))}. Pass a dictionary of layers and "
        "estimators to prune these by another, such as 'hard_concrete'.",
        # The caller of mask_model.
        stacklevel=5,
    )


def _listed(reasons: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{layer}: {reason}" for layer, reason in reasons)
