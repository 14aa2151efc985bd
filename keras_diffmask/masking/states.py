"""Initial states under masks: a closed unit of a masked layer ignores the given one."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.rules.initial_state import (
    initial_state,
    with_initial_state,
)
from keras_diffmask.layers import MaskedBidirectional
from keras_diffmask.layers.of_cells import cells_of
from keras_diffmask.layers.recurrent_masks import RecurrentGates

Scaled = Callable[[Any, np.ndarray], Any]


def under_masks(
    layer: Any, masks: dict[str, Any], args: tuple, kwargs: dict, scaled: Scaled
) -> tuple[tuple, dict]:
    """The arguments of a recurrent layer's call, closed units of its states at 0.

    A stock layer starts from the state that it is given, in every unit.

    Args:
        layer: the layer as it was, with its gates; any other layer, too.
        masks: the masks its call was given from outside, by argument name.
        args: positional arguments.
        kwargs: keyword arguments.
        scaled: state, factor per unit -> their product.
    """
    if not isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
        return args, kwargs
    given = initial_state(args, kwargs)
    if given is None:
        return args, kwargs
    flat = keras.tree.flatten(given)
    pairs = zip(flat, _open_units(layer, masks), strict=True)
    changed = [
        state if units is None or units.all() else _masked(state, units, scaled)
        for state, units in pairs
    ]
    given = keras.tree.pack_sequence_as(given, changed)
    return with_initial_state(args, kwargs, given)


def _masked(state: Any, units: np.ndarray, scaled: Scaled) -> Any:
    if isinstance(state, keras.KerasTensor):
        return scaled(state, units.astype("float32"))
    return keras.ops.where(units, state, keras.ops.zeros_like(state))


def _open_units(layer: Any, masks: dict[str, Any]) -> list[np.ndarray | None]:
    """Per state which of its units are open, bool; None without a mask."""
    mask = masks.get("gate_mask")
    if not isinstance(layer, keras.layers.Bidirectional):
        return _of_layer(layer, mask)
    parts = layer.forward_layer, layer.backward_layer
    halves = (None, None)
    if isinstance(layer, MaskedBidirectional) and mask is not None:
        halves = layer.halves(mask)
    return [
        units
        for part, half in zip(parts, halves, strict=True)
        for units in _of_layer(part, half)
    ]


def _of_layer(layer: Any, mask: Any) -> list[np.ndarray | None]:
    found: list[np.ndarray | None] = []
    for cell in cells_of(layer):
        owner = layer if isinstance(layer, RecurrentGates) else cell
        gate = getattr(owner, "hidden_gate", None)
        own = gate.inference_mask() if mask is None and gate is not None else mask
        units = None if own is None else keras.ops.convert_to_numpy(own) != 0
        found += [units] * len(keras.tree.flatten(cell.state_size))
    return found
