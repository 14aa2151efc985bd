"""mask_model: a Keras model in, the same function with gates on its channels out."""

from typing import Any

import keras

from keras_diffmask import estimators, granularity, rebuild
from keras_diffmask import regularizers as regularizers_module
from keras_diffmask.budget import Budget
from keras_diffmask.errors import BudgetError
from keras_diffmask.graph import trace
from keras_diffmask.inline import inlined
from keras_diffmask.masking.by_channel import ChannelMasker
from keras_diffmask.masking.by_weight import WeightMasker
from keras_diffmask.masking.masked_model import MaskedModel


def mask_model(
    model: keras.Model,
    estimator: Any = "hard_concrete",
    granularity: str = "channel",
    budget: Budget | None = None,
    gate_regularizer: Any = None,
    logit_scale: float = 20.0,
) -> MaskedModel:
    """Return a copy of `model` with trainable gates on its channels or weights.

    The copy starts at the function of the original: the inference gate of
    every estimator begins at 1, and where `initial_keep` puts it below, its
    inverse is multiplied into the weights. Channels that an Add ties share
    one gate. Masks go where they are cheapest and still leave an exact 0: on
    gamma and beta of the BatchNormalization that follows, else on kernel and
    bias, else behind an activation that is not 0 at 0.

    Args:
        model: a built Sequential or Functional model, trained or not. It is
            not changed.
        estimator: name or `Estimator`; each gate gets it.
        granularity: `"channel"` (also `"neuron"`), or `"weight"` for one gate
            per kernel entry of Dense and Conv2D layers. Only channels can be
            stripped.
        budget: a `Budget` that `fit` is to reach, or None.
        gate_regularizer: penalty on the gates instead of a budget, for example
            `regularizers.L0(1e-4)`.
        logit_scale: float > 0, how many times faster than the weights the gate
            logits learn (under Adam and its kin).

    Returns:
        A `MaskedModel`, not compiled, whose layers have the original's names.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt, not Keras 3,
            holds NaN, or has nothing to mask.
        InvalidArgumentError: unknown estimator or granularity.
        BudgetError: the budget cannot be reached on this model.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
    ...                           keras.layers.Dense(2)])
    >>> masked = kd.mask_model(model, budget=kd.Budget(parameters=0.5))
    >>> [gate.units for gate in kd.gates(masked)]
    [8]
    """
    source = inlined(model)
    rebuild.require_finite(source)
    estimator = estimators.get(estimator)
    level = _granularity(granularity)
    regularizer = regularizers_module.get(gate_regularizer)
    if level == "weight":
        _refuse_weight_budget(budget)
        return WeightMasker(source, estimator, regularizer).run()
    graph = trace(source)
    return ChannelMasker(graph, estimator, regularizer, budget, logit_scale).run()


# `granularity` is the name of the argument, which hides the module inside.
_granularity = granularity.get


def _refuse_weight_budget(budget: Budget | None) -> None:
    if budget is not None:
        raise BudgetError(
            'granularity="channel" with a budget',
            'granularity="weight", whose zeros leave every tensor at its size',
            "Drop the budget and pass gate_regularizer=kd.regularizers.L0(1e-4), "
            "or mask channels.",
        )
