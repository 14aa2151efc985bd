"""The stock form of a masked layer at inference, its decision in the weights."""

from dataclasses import dataclass
from enum import Enum
from functools import singledispatch
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.gate import Gate
from keras_diffmask.layers import FakeQuantize, MaskedBidirectional, MaskedResidual
from keras_diffmask.layers.masked import MaskedLayer
from keras_diffmask.layers.recurrent_masks import RecurrentGates, masked_cell_weights


class Quantizers(Enum):
    """What becomes of the quantizers of a model."""

    #: Gone: floats, and stock Keras layers only.
    DROPPED = "dropped"
    #: They stay, and go on rounding.
    KEPT = "kept"
    #: The weights are rounded once and for all; the ranges of activations stay.
    WRITTEN = "written"


@dataclass(eq=False)
class Stock:
    """What takes a masked layer's place.

    Attributes:
        layer: the new layer, or None where only `scale` is left to do.
        weights: its weights.
        scale: what multiplies the output's channels behind it, or None.
        branch: what multiplies all of its inputs but the first, or None.
        axis: along which axis of the tensors these two lie.
    """

    layer: Any
    weights: list[np.ndarray]
    scale: np.ndarray | None = None
    branch: np.ndarray | None = None
    axis: int = -1


@singledispatch
def to_stock(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    """The stock form of a layer at inference.

    Args:
        layer: any layer or operation of the model.
        masks: the masks its call was given from outside, by argument name.
        quantizers: what becomes of the layer's.
    """
    return _copy(layer)


def _copy(layer: Any) -> Stock:
    """A layer of Keras, or of the user, as it is.

    Raises:
        UnsupportedModelError: there is a masked layer inside of it.
    """
    for inner in _masked_inside(layer):
        raise UnsupportedModelError(
            "masked layers that are called in the model's own graph",
            f"{inner.name!r} ({type(inner).__name__}) inside of {layer.name!r}",
            "Call it without the wrapper, or build the nested model's layers "
            "into the outer graph.",
        )
    return Stock(rebuild.clone(layer), rebuild.arrays(layer))


def _masked_inside(layer: Any) -> list[Any]:
    is_layer = isinstance(layer, keras.layers.Layer)
    return [
        inner
        for inner in (keras_internals.flatten_layers(layer) if is_layer else [])
        if isinstance(inner, MaskedLayer | RecurrentGates | Gate)
    ]


@to_stock.register(FakeQuantize)
def _fake_quantize(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    return Stock(None, []) if quantizers is Quantizers.DROPPED else _copy(layer)


@to_stock.register(MaskedLayer)
def _masked(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    mask = masks.get("gate_mask")
    if mask is None and layer.gate is not None:
        mask = layer.gate.inference_mask()
    scale, axis = None, -1
    pairs = []
    if mask is not None:
        pairs = layer.masked_weights(mask)
        if layer.masks_output:
            scale, axis = _numpy(mask), layer.output_unit_axis()
    if layer.stock_class is keras.layers.Layer:
        return Stock(None, [], scale, axis=axis)
    others = masks.get("input_gate_mask"), masks.get("output_gate_mask")
    if _rounds(layer, quantizers):
        pairs = layer.weights_under(mask, others[0], None, others[1])
    elif _stays(layer, quantizers):
        # At 0 they are closed as before, and do not count for a scale.
        pairs = layer.weights_read(mask, others[0])
        pairs = layer.counted(pairs, mask, others[1])
    fresh = _without_gates(layer) if _stays(layer, quantizers) else _parent(layer)
    return Stock(fresh, _baked(layer, pairs), scale, axis=axis)


def _stays(layer: Any, quantizers: Quantizers) -> bool:
    return layer.quantizer is not None and quantizers is Quantizers.KEPT


def _rounds(layer: Any, quantizers: Quantizers) -> bool:
    return layer.quantizer is not None and quantizers is Quantizers.WRITTEN


@to_stock.register(MaskedResidual)
def _masked_residual(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    (mask,) = _masks((layer.gate,), (masks.get("gate_mask"),))
    branch = None if mask is None else _numpy(mask)
    return Stock(_parent(layer), [], branch=branch, axis=layer.output_unit_axis())


@to_stock.register(RecurrentGates)
def _recurrent(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    """A masked recurrent layer, or a masked cell inside of a wrapper."""
    gates = (layer.input_gate, layer.hidden_gate)
    given = (masks.get("input_gate_mask"), masks.get("gate_mask"))
    both = _masks(gates, given)
    if _rounds(layer, quantizers):
        return Stock(_parent(layer), _baked(layer, layer.weights_under(*both)))
    pairs = masked_cell_weights(getattr(layer, "cell", layer), *both)
    fresh = _without_gates(layer) if _stays(layer, quantizers) else _parent(layer)
    return Stock(fresh, _baked(layer, pairs))


@to_stock.register(MaskedBidirectional)
def _masked_bidirectional(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    both = masks.get("gate_mask"), masks.get("input_gate_mask")
    if _rounds(layer, quantizers):
        return Stock(_parent(layer), _baked(layer, layer.weights_under(*both)))
    pairs = layer.masked_weights(*both)
    fresh = _without_gates(layer) if _stays(layer, quantizers) else _parent(layer)
    return Stock(fresh, _baked(layer, pairs))


# -- what Keras wraps around layers and cells ----------------------------------------


@to_stock.register(keras.layers.TimeDistributed)
def _time_distributed(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    if not _masked_inside(layer):
        return _copy(layer)
    inner = to_stock(layer.layer, {}, quantizers)
    # Behind the wrapper there is one more axis in front, that of time.
    inner.axis += inner.axis > 0
    if inner.layer is not None:
        inner.layer = _around(layer, layer=inner)
    return inner


@to_stock.register(keras.layers.Bidirectional)
def _bidirectional(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    if not _masked_inside(layer):
        return _copy(layer)
    parts = (layer.forward_layer, layer.backward_layer)
    pair = [to_stock(part, {}, quantizers) for part in parts]
    around = _around(layer, layer=pair[0], backward_layer=pair[1])
    return Stock(around, pair[0].weights + pair[1].weights)


@to_stock.register(keras.layers.RNN)
def _rnn(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    """Where no recurrent layer stands for it: in a wrapper, or a stack backwards."""
    if type(layer) is not keras.layers.RNN or not _masked_inside(layer):
        return _copy(layer)
    cell = to_stock(layer.cell, {}, quantizers)
    return Stock(_around(layer, cell=cell), cell.weights)


@to_stock.register(keras.layers.StackedRNNCells)
def _stacked(
    layer: Any, masks: dict[str, Any], quantizers: Quantizers = Quantizers.DROPPED
) -> Stock:
    stocks = [to_stock(cell, {}, quantizers) for cell in layer.cells]
    cells = [keras.saving.serialize_keras_object(stock.layer) for stock in stocks]
    weights = [array for stock in stocks for array in stock.weights]
    return Stock(rebuild.clone(layer, cells=cells), weights)


def _around(layer: Any, /, **parts: Stock) -> Any:
    """A wrapper like `layer`, not yet built, around other layers."""
    serialize = keras.saving.serialize_keras_object
    inside = {name: serialize(part.layer) for name, part in parts.items()}
    return rebuild.clone(layer, **inside)


# -- weights --------------------------------------------------------------------------


def _masks(gates: tuple, given: tuple) -> tuple[Any, ...]:
    pair = []
    for gate, mask in zip(gates, given, strict=True):
        pair.append(gate.inference_mask() if mask is None and gate else mask)
    return tuple(pair)


def _parent(layer: Any) -> Any:
    return layer.stock_class.from_config(_own(layer, layer.get_config()))


def _without_gates(layer: Any) -> Any:
    """A layer of the same masked class and quantizer, with no gate of its own."""
    return type(layer).from_config({**layer.get_config(), **layer.without_gates})


def _own(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what only the masked layer understands."""
    gated = isinstance(layer, MaskedLayer | RecurrentGates | MaskedBidirectional)
    extra = layer.gate_config() if gated else {}
    return {name: value for name, value in config.items() if name not in extra}


def _baked(layer: Any, pairs: list[tuple[Any, Any]]) -> list[np.ndarray]:
    masked = {id(variable): _closed(variable, value) for variable, value in pairs}
    return [
        masked.get(id(variable), _numpy(variable))
        for variable in rebuild.weights_without_gates(layer)
    ]


def _closed(variable: Any, value: Any) -> np.ndarray:
    # A negative weight times a closed gate is -0.0, whose bits are not zeros: a
    # file of weights that keeps or compresses bits would not know it as closed.
    value = _numpy(value)
    is_closed = (value == 0) & (_numpy(variable) != 0)
    return np.where(is_closed, np.zeros_like(value), value)


def _numpy(value: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(value)
