"""Scales of quantized kernels, which must not hang on weights that go."""

import warnings
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import keras
import numpy as np

from keras_diffmask import rebuild
from keras_diffmask.graph import Proof, Step, prove, shrunk_weights
from keras_diffmask.keras_internals import flatten_layers
from keras_diffmask.layers import MaskedBidirectional
from keras_diffmask.layers.recurrent_masks import RecurrentGates, gates_of

#: A weight, its axes with scales of their own, and the gates side by side in it.
_Scaled = tuple[Any, tuple[int, ...], int]


def with_scales_as_they_are(proof: Proof) -> Proof:
    """The proof that every scale is after the cut what it was before.

    A scale is that of the largest weight. Where this one would go, whatever
    else its kernel has would be rounded to other numbers: the units that the
    kernel reads and writes then stay.

    Args:
        proof: what may go, of a model with quantizers.

    Returns:
        What may go.

    Warns:
        UserWarning: naming the layers whose units stay for that reason.
    """
    names: list[str] = []
    # Each round leaves the units of some layers in place, for good.
    while moved := [step for step in _moved(proof) if step.name not in names]:
        for step in moved:
            names.append(step.name)
            for ids in (*step.inputs, *step.outputs, *step.hidden):
                proof.graph.units.pin(
                    ids, f"the scale of {step.name} hangs on weights that would go"
                )
        proof.graph.protected = proof.graph.units.pinned()
        proof = prove(proof.graph)
    if names:
        warnings.warn(
            f"Closed channels stay in the strip around {', '.join(names)}: the scale "
            "of a quantizer hangs on their weights, and without them the others would "
            "be rounded to other numbers. Without keep_quantizers=True they go.",
            # The caller of strip.
            stacklevel=4,
        )
    return proof


def _moved(proof: Proof) -> list[Step]:
    """The steps some of whose scales would be others."""
    layers = {id(step.layer): step.layer for step in proof.live if _scaled(step.layer)}
    if not layers:
        return []
    before = {key: rebuild.arrays_without_gates(one) for key, one in layers.items()}
    found = _left(proof)
    try:
        # In place of each weight the largest of those that share its scale.
        for layer in layers.values():
            rebuild.assign(layer, _largest_of(layer))
        wanted = _left(proof)
    finally:
        for key, layer in layers.items():
            rebuild.assign(layer, before[key])
    tops = dict(wanted)
    return [step for step, left in found if _is_moved(step.layer, left, tops[step])]


def _left(proof: Proof) -> list[tuple[Step, Any]]:
    """What is left of the weights of each layer with a quantizer."""
    return [pair for pair in shrunk_weights(proof) if _scaled(pair[0].layer)]


def _scaled(layer: Any) -> list[_Scaled]:
    """The quantized weights of a layer, and of layers inside of it."""
    if not isinstance(layer, keras.layers.Layer):
        return []
    parts = [layer, *flatten_layers(layer)]
    rounding = (part for part in parts if getattr(part, "quantizer", None) is not None)
    return [scaled for part in rounding for scaled in _own(part)]


def _own(layer: Any) -> Iterator[_Scaled]:
    if isinstance(layer, MaskedBidirectional | RecurrentGates):
        is_both = isinstance(layer, MaskedBidirectional)
        for one in layer.directions() if is_both else (layer,):
            cell: Any = getattr(one, "cell", one)
            yield cell.kernel, (), gates_of(cell)
            yield cell.recurrent_kernel, (), gates_of(cell)
        return
    for path, axes in layer.quantized.items():
        own = axes if layer.quantizer.per_channel else ()
        yield attrgetter(path)(layer), own, 1


def _largest_of(layer: Any) -> list[np.ndarray]:
    """The layer's weights, each quantized one as large as the largest of its scale."""
    scaled = {id(scaled[0]): scaled for scaled in _scaled(layer)}
    return [
        _tops(keras.ops.convert_to_numpy(weight), scaled[id(weight)])
        if id(weight) in scaled
        else keras.ops.convert_to_numpy(weight)
        for weight in rebuild.weights_without_gates(layer)
    ]


def _tops(values: np.ndarray, scaled: _Scaled) -> np.ndarray:
    """The largest magnitude under each entry's scale, in the place of the entry."""
    (_, axes, parts), shape = scaled, values.shape
    if not values.size:
        return values
    apart = values.reshape((*shape[:-1], parts, shape[-1] // parts))
    own = {apart.ndim - 2} if parts > 1 else {a % len(shape) for a in axes}
    if parts == 1:
        apart = values
    others = tuple(axis for axis in range(apart.ndim) if axis not in own)
    top = np.max(np.abs(apart), axis=others, keepdims=True)
    return np.broadcast_to(top, apart.shape).reshape(shape)


def _is_moved(layer: Any, left: Any, tops: Any) -> bool:
    """Whether some scale is no longer that of the largest weight under it.

    Args:
        layer: the layer before the cut.
        left: its weights after the cut, by name or in order; empty for all.
        tops: the same of `_largest_of`.
    """
    shared = rebuild.weights_without_gates(layer)
    if left and not isinstance(left, dict) and len(left) != len(shared):
        # A bias has come in between: which weight is which is not said.
        return True
    scaled = {id(scaled[0]): scaled for scaled in _scaled(layer)}
    for place, weight in enumerate(shared if left else ()):
        if id(weight) in scaled:
            key = weight.name if isinstance(left, dict) else place
            found = _tops(left[key], scaled[id(weight)])
            # Zeros are zeros on every grid.
            if np.any((found != tops[key]) & (found > 0)):
                return True
    return False
