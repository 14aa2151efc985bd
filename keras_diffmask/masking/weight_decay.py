"""Gate logits are decisions, not weights: no optimizer is to let them decay."""

from typing import Any

import keras

from keras_diffmask import keras_internals
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate import Gate
from keras_diffmask.refused_models import require_layer


def protect_gates(optimizer: Any, model: keras.layers.Layer) -> Any:
    """Keep the gate logits of a model out of an optimizer's weight decay.

    Weight decay multiplies a variable by `1 - learning_rate * weight_decay` at
    each step. It would pull every logit to 0, where a gate is undecided: a
    penalty on nothing that the network costs. The weights decay as before,
    and variables that were excluded already stay so.

    A model of `mask_model` does this in `compile`, also when it is loaded. A
    model built by hand is compiled with `optimizer=kd.protect_gates(...)`. An
    `optimizer.exclude_from_weight_decay` of your own comes before: Keras
    remembers one call.

    Args:
        optimizer: a Keras optimizer that has trained nothing yet, also one
            around others (`LossScaleOptimizer`, `MultiOptimizer`).
        model: a built model or layer with gates.

    Returns:
        The optimizer.

    Raises:
        InvalidArgumentError: the model is not built, the optimizer is and lets
            the gates decay, or it is a `MultiOptimizer` that knows its
            optimizers by a function only.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), kd.layers.MaskedDense(8)])
    >>> optimizer = kd.protect_gates(keras.optimizers.AdamW(1e-3), model)
    >>> model.compile(optimizer, "mse")
    """
    logits = _logits_of(model)
    for one in _one_by_one(optimizer):
        if not _decays(one) or not logits:
            continue
        if not one.built:
            others = [
                variable
                for variable in model.trainable_variables
                if not keras_internals.uses_weight_decay(one, variable)
            ]
            one.exclude_from_weight_decay(var_list=[*others, *logits])
        elif any(keras_internals.uses_weight_decay(one, each) for each in logits):
            raise InvalidArgumentError(
                f"an optimizer whose weight decay leaves the gates of {model.name!r} "
                "alone, or one that has trained nothing yet",
                f"{type(one).__name__} with weight_decay={one.weight_decay}, already "
                "built",
                "Make a new one, with keras.optimizers."
                f"{type(one).__name__}.from_config(optimizer.get_config()).",
            )
    return optimizer


def _logits_of(model: keras.layers.Layer) -> list[Any]:
    """What the gates train: nothing, where the weights themselves are logits."""
    require_layer(model)
    layers = keras_internals.flatten_layers(model)
    gates = [layer for layer in layers if isinstance(layer, Gate)]
    if not model.built or not all(gate.built for gate in gates):
        raise InvalidArgumentError(
            "a model whose gates have their variables",
            f"{model.name!r}, which is not built",
            "Add keras.Input(shape) as its first entry, or call model.build(shape).",
        )
    return [gate.raw_logits for gate in gates if gate.raw_logits is not None]


def _one_by_one(optimizer: Any) -> list[Any]:
    """The optimizers that update variables, out of those around them."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return _one_by_one(optimizer.inner_optimizer)
    # Newer than the oldest Keras this runs on.
    multi = getattr(keras.optimizers, "MultiOptimizer", None)
    if multi is None or not isinstance(optimizer, multi):
        return [optimizer]
    if not optimizer.optimizers:
        raise InvalidArgumentError(
            "a MultiOptimizer whose optimizers are known before training",
            "one made of a function from variables to optimizers",
            "Pass keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(...)).",
        )
    return list(optimizer.optimizers)


def _decays(optimizer: Any) -> bool:
    # Muon has a second one, for the variables that it hands to AdamW.
    rates = (optimizer.weight_decay, getattr(optimizer, "adam_weight_decay", None))
    return any(rates)
