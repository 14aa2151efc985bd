"""Bake: a masked model's decision, written into the weights of stock Keras layers."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import rebuild
from keras_diffmask.budget import BudgetController
from keras_diffmask.costs import WeightPenalty
from keras_diffmask.gate import Gate
from keras_diffmask.inline import inlined
from keras_diffmask.keras_internals import Call
from keras_diffmask.masking.states import under_masks
from keras_diffmask.masking.stock import Quantizers, Stock, to_stock


def bake(
    model: keras.Model, quantizers: Quantizers = Quantizers.DROPPED
) -> keras.Model:
    """Return a stock Keras model of the same size and inference function.

    Closed units are exact zeros in its weights, and, by a `Rescaling` before a
    recurrent layer, in the initial state that it is given; fractional gates are
    multiplied in. The model may also be one that was never masked.

    Args:
        model: a Functional or Sequential model. It is not changed.
        quantizers: what becomes of those of the model.

    Returns:
        A Functional model of stock Keras layers with the same layer names, and of
        the library's layers with quantizers where those stay.
    """
    source = inlined(model)
    stocks: dict[int, Stock] = {}
    rebuilder = rebuild.Rebuilder(
        source,
        make=lambda old: stocks[id(old)].layer,
        weights=lambda old: stocks[id(old)].weights,
    )

    def scaled(tensor: Any, scale: np.ndarray, axis: int, layer: Any) -> Any:
        name = rebuilder.free_name(f"{layer.name}_mask")
        return _scaled(tensor, scale, axis, layer.dtype_policy, name)

    def perform(call: Call, args: tuple, kwargs: dict) -> Any:
        operation = call.operation
        if isinstance(operation, Gate):
            ranked = kwargs.get("ranked", False)
            return operation.told(ranked, operation.inference_mask())
        if isinstance(operation, BudgetController | WeightPenalty):
            return args[0]
        masks = {name: kwargs.pop(name) for name in list(kwargs) if "gate_mask" in name}
        if id(operation) not in stocks:
            stocks[id(operation)] = to_stock(operation, masks, quantizers)
        stock = stocks[id(operation)]
        args, kwargs = under_masks(
            operation,
            masks,
            args,
            kwargs,
            lambda state, units: scaled(state, units, -1, operation),
        )
        outputs = args[0]
        if stock.branch is not None and np.any(stock.branch != 1):
            (skip, *rest), *more = args
            rest = [scaled(x, stock.branch, stock.axis, operation) for x in rest]
            args = ([skip, *rest], *more)
        if stock.layer is not None:
            outputs = rebuilder.call(operation, args, kwargs)
        if stock.scale is not None and np.any(stock.scale != 1):
            outputs = scaled(outputs, stock.scale, stock.axis, operation)
        return outputs

    result = rebuilder.run(perform)
    if quantizers is Quantizers.KEPT:
        keep_countdowns(source, result)
    return result


def keep_countdowns(old: keras.Model, new: keras.Model) -> None:
    """Let weights be rounded from the same step on, in layers of the same name."""
    made = {layer.name: layer for layer in new.layers}
    for layer in old.layers:
        before = getattr(layer, "quantizer", None)
        after = getattr(made.get(layer.name), "quantizer", None)
        if before is not None and after is not None:
            after.set_weights(before.get_weights())


def _scaled(outputs: Any, scale: np.ndarray, axis: int, dtype: Any, name: str) -> Any:
    axis = axis % len(outputs.shape)
    # Without the batch, if it was shaped to multiply the whole tensor.
    scale = scale[0] if scale.ndim > 1 else scale
    if scale.ndim == 1 and len(outputs.shape) > 2:
        scale = scale.reshape((-1,) + (1,) * (len(outputs.shape) - 1 - axis))
    return keras.layers.Rescaling(scale, name=name, dtype=dtype)(outputs)
