"""Bake: a masked model's decision, written into the weights of stock Keras layers."""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.budget import BudgetController
from keras_diffmask.costs import WeightPenalty
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.gate import Gate
from keras_diffmask.inline import inlined
from keras_diffmask.keras_internals import Call
from keras_diffmask.layers import MaskedLSTM, MaskedLSTMCell, MaskedResidual
from keras_diffmask.layers.masked import MaskedLayer
from keras_diffmask.layers.recurrent_masks import RecurrentGates, masked_lstm_weights


@dataclass(eq=False)
class Stock:
    """What takes a masked layer's place.

    Attributes:
        layer: the new layer, or None where only `scale` is left to do.
        weights: its weights.
        scale: what multiplies the output's channels behind it, or None.
        branch: what multiplies all of its inputs but the first, or None.
    """

    layer: Any
    weights: list[np.ndarray]
    scale: np.ndarray | None = None
    branch: np.ndarray | None = None


@singledispatch
def to_stock(layer: Any, masks: dict[str, Any]) -> Stock:
    """The stock form of a layer at inference.

    Args:
        layer: any layer or operation of the model.
        masks: the masks its call was given from outside, by argument name.
    """
    return _copy(layer)


def _copy(layer: Any) -> Stock:
    """A layer of Keras, or of the user, as it is.

    Raises:
        UnsupportedModelError: there is a masked layer inside of it.
    """
    is_layer = isinstance(layer, keras.layers.Layer)
    for inner in keras_internals.flatten_layers(layer) if is_layer else []:
        if isinstance(inner, MaskedLayer | RecurrentGates | Gate):
            raise UnsupportedModelError(
                "masked layers that are called in the model's own graph",
                f"{inner.name!r} ({type(inner).__name__}) inside of {layer.name!r}",
                "Call it without the wrapper, or build the nested model's layers "
                "into the outer graph.",
            )
    return Stock(rebuild.clone(layer), rebuild.arrays(layer))


@to_stock.register(MaskedLayer)
def _masked(layer: Any, masks: dict[str, Any]) -> Stock:
    mask = masks.get("gate_mask")
    if mask is None and layer.gate is not None:
        mask = layer.gate.inference_mask()
    scale = None
    pairs = []
    if mask is not None:
        pairs = layer.masked_weights(mask)
        if layer.masks_output:
            scale = _numpy(mask)
    if layer.stock_class is keras.layers.Layer:
        return Stock(None, [], scale)
    return Stock(_parent(layer), _baked(layer, pairs), scale)


@to_stock.register(MaskedResidual)
def _masked_residual(layer: Any, masks: dict[str, Any]) -> Stock:
    (mask,) = _masks((layer.gate,), (masks.get("gate_mask"),))
    branch = None if mask is None else _numpy(mask)
    return Stock(_parent(layer), [], branch=branch)


@to_stock.register(MaskedLSTM)
def _masked_lstm(layer: Any, masks: dict[str, Any]) -> Stock:
    gates = (layer.input_gate, layer.hidden_gate)
    given = (masks.get("input_gate_mask"), masks.get("gate_mask"))
    pair = _masks(gates, given)
    baked = _baked(layer, masked_lstm_weights(layer.cell, *pair))
    return Stock(_parent(layer), baked)


@to_stock.register(keras.layers.RNN)
def _rnn(layer: Any, masks: dict[str, Any]) -> Stock:
    cell = layer.cell
    if not isinstance(cell, MaskedLSTMCell):
        return _copy(layer)
    # RNN over an LSTM cell is the LSTM layer, which converts to one operator.
    config = {**_own(layer, layer.get_config()), **_own(cell, cell.get_config())}
    config.pop("cell")
    config |= {"name": layer.name, "trainable": layer.trainable}
    pair = _masks((cell.input_gate, cell.hidden_gate), (None, None))
    baked = _baked(layer, masked_lstm_weights(cell, *pair))
    return Stock(keras.layers.LSTM.from_config(config), baked)


def _masks(gates: tuple, given: tuple) -> tuple[Any, ...]:
    pair = []
    for gate, mask in zip(gates, given, strict=True):
        pair.append(gate.inference_mask() if mask is None and gate else mask)
    return tuple(pair)


def _parent(layer: Any) -> Any:
    return layer.stock_class.from_config(_own(layer, layer.get_config()))


def _own(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what only the masked layer understands."""
    gated = isinstance(layer, MaskedLayer | RecurrentGates)
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


def bake(model: keras.Model) -> keras.Model:
    """Return a stock Keras model of the same size and inference function.

    Closed units are exact zeros in its weights; fractional gates are
    multiplied in. The model may also be one that was never masked.

    Args:
        model: a Functional or Sequential model. It is not changed.

    Returns:
        A Functional model of stock Keras layers with the same layer names.
    """
    source = inlined(model)
    stocks: dict[int, Stock] = {}
    rebuilder = rebuild.Rebuilder(
        source,
        make=lambda old: stocks[id(old)].layer,
        weights=lambda old: stocks[id(old)].weights,
    )

    def scaled(tensor: Any, scale: np.ndarray, layer: Any) -> Any:
        name = rebuilder.free_name(f"{layer.name}_mask")
        return _scaled(tensor, scale, layer, name)

    def perform(call: Call, args: tuple, kwargs: dict) -> Any:
        operation = call.operation
        if isinstance(operation, Gate):
            return operation.inference_mask(), operation.keep_probability()
        if isinstance(operation, BudgetController | WeightPenalty):
            return args[0]
        masks = {name: kwargs.pop(name) for name in list(kwargs) if "gate_mask" in name}
        if id(operation) not in stocks:
            stocks[id(operation)] = to_stock(operation, masks)
        stock = stocks[id(operation)]
        outputs = args[0]
        if stock.branch is not None and np.any(stock.branch != 1):
            (skip, *rest), *more = args
            rest = [scaled(x, stock.branch, operation) for x in rest]
            args = ([skip, *rest], *more)
        if stock.layer is not None:
            outputs = rebuilder.call(operation, args, kwargs)
        if stock.scale is not None and np.any(stock.scale != 1):
            outputs = scaled(outputs, stock.scale, operation)
        return outputs

    return rebuilder.run(perform)


def _scaled(outputs: Any, scale: np.ndarray, layer: Any, name: str) -> Any:
    axis = layer.output_unit_axis() % len(outputs.shape)
    # Without the batch, if it was shaped to multiply the whole tensor.
    scale = scale[0] if scale.ndim > 1 else scale
    if scale.ndim == 1 and len(outputs.shape) > 2:
        scale = scale.reshape((-1,) + (1,) * (len(outputs.shape) - 1 - axis))
    dtype = layer.dtype_policy
    return keras.layers.Rescaling(scale, name=name, dtype=dtype)(outputs)
