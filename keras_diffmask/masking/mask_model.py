"""mask_model: a Keras model in, the same function with gates on it out."""

from typing import Any

import keras

from keras_diffmask import granularity, rebuild
from keras_diffmask import regularizers as regularizers_module
from keras_diffmask.budget import Budget
from keras_diffmask.errors import BudgetError, InvalidArgumentError
from keras_diffmask.graph import ChannelGraph, trace
from keras_diffmask.inline import inlined
from keras_diffmask.keras_internals import as_functional
from keras_diffmask.masking.by_branch import place_branches
from keras_diffmask.masking.by_channel import ChannelMasker
from keras_diffmask.masking.by_layer import LayerMasker
from keras_diffmask.masking.gate_settings import GateSettings
from keras_diffmask.masking.groups import Placement
from keras_diffmask.masking.masked_class import masked_class
from keras_diffmask.masking.masked_model import MaskedModel
from keras_diffmask.masking.reads import place_readable
from keras_diffmask.masking.selection import Selection
from keras_diffmask.masking.start import nothing_to_mask, require_unmasked
from keras_diffmask.quantization import (
    insert_quantizers,
    names_of,
    require_plain,
    split_operators,
)
from keras_diffmask.quantizers import Quantization, get_quantization


def mask_model(
    model: keras.Model,
    estimator: Any = "hard_concrete",
    granularity: str = "channel",
    budget: Budget | None = None,
    gate_regularizer: Any = None,
    logit_scale: float = 20.0,
    include: Any = None,
    exclude: Any = None,
    channel_multiple: int = 1,
    quantization: Any = None,
) -> MaskedModel:
    """Return a copy of `model` with trainable gates on channels, weights or branches.

    The copy starts at the function of the original: the inference gate of
    every estimator begins at 1, and where `initial_keep` puts it below, its
    inverse is multiplied into the weights. Only `TopK`, which keeps k of n
    from the first step on, starts elsewhere. Channels that an Add ties share
    one gate. Masks go where they are cheapest and still leave an exact 0: on
    gamma and beta of the BatchNormalization that follows, else on kernel and
    bias, else behind an activation that is not 0 at 0. LoRA weights are merged
    into the kernels that they are added to, as Keras does when it saves.

    A residual branch with a gate is y = x + m F(x), one number m for all of
    F: the layers that feed an Add (or `x + y`) and nothing else, where
    something else goes round them. Beside a projection shortcut, the longer
    way is the branch and the shortcut stays. The mask goes on the weights of
    the branch's last layer where that is the same function, else on its
    output. A closed branch adds exactly 0, and the strip takes all of it out,
    the Add included. A branch inside of a branch has a gate of its own, and
    is there while both are open.

    Args:
        model: a built Sequential or Functional model, trained or not. It is
            not changed.
        estimator: name or `Estimator`; each gate gets it. Or a dictionary of
            layers (written as for `include`) and estimators: the first that
            matches holds, and what none matches gets `"hard_concrete"`. One that
            reads weights, such as `"operation_aware"`, leaves channels whole
            that have none for it (no BatchNormalization and ReLU behind them,
            or an Add that ties them) and names them in one warning; where a
            dictionary or `include` asks for such a layer, it is refused.
        granularity: what one gate covers. `"channel"` (also `"neuron"`): an
            output channel, which the strip removes. `"branch"`: a residual
            branch as a whole. Finer than that, every kernel that has such
            parts gets gates of its own, and the strip leaves zeros, but for
            channels that nobody writes or reads any more: `"input"`, all that
            reads one input channel (Dense, and convolutions without groups);
            `"block:4x4"` (also `"block"`), so many inputs by so many units of
            Dense or a convolution; `"kernel"`, the slice of a convolution's
            kernel between one input and one output channel; `"weight"`, one
            kernel entry of any layer.
        budget: a `Budget` that `fit` is to reach. None, and no `gate_regularizer`
            either: nothing is closed but by hand, with `gate.set_keep`.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`; in general instead of a budget, which needs
            none. With both, each is in the loss: the penalty has a say in which
            gates close first, the budget alone in how many, so that it is
            used to the full however strong the penalty is.
        logit_scale: float > 0, how many times faster than the weights the gate
            logits learn (under Adam and its kin).
        include: the layers to put gates on; all that can have some, by
            default. A layer's name, a compiled regular expression searched
            for in names, a layer class, a function layer -> bool, or a list
            of these. A branch is meant by any of its layers, or its Add.
        exclude: the layers to leave as they are, in the same words. Layers
            that an Add ties to one of them stay whole as well, and so do the
            branches that one of them is in.
        channel_multiple: int >= 1. Each layer that writes gated channels keeps a
            multiple of so many, or all: 8 or 16 where the device computes in such
            blocks. Part of the gate's decision, so that masked and stripped
            model agree; `set_keep` may still choose otherwise. Only for
            granularity `"channel"`.
        quantization: what the device's integers are, to train masks and their
            ranges together: `"int8"`, `"int4"` for weights of 4 bits, a
            `quantizers.Quantization`, or None for floats. See `quantize_model`.

    Returns:
        A `MaskedModel`, not compiled, whose layers have the original's names;
        also of the original's class, where that has a `train_step` of its own.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt, not Keras 3,
            holds NaN, has gates already, or has nothing to mask.
        InvalidArgumentError: unknown estimator or granularity, an estimator
            that does not act at this granularity, a layer that the model does
            not have, or one that the estimator asked for cannot read.
        BudgetError: the budget cannot be reached on this model, or the
            estimator keeps a given number of units.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
    ...                           keras.layers.Dense(2)])
    >>> masked = kd.mask_model(model, budget=kd.Budget(parameters=0.5))
    >>> [gate.units for gate in kd.gates(masked)]
    [8]
    """
    source = inlined(model)
    model_class = masked_class(type(model))
    rebuild.require_finite(source)
    require_unmasked(source)
    integers = get_quantization(quantization)
    theirs = source
    origins: dict[str, Any] = {}
    if integers is not None:
        require_plain(source)
        source, origins = split_operators(source)
    selection = Selection(theirs, estimator, include, exclude, origins)
    level = _granularity(granularity)
    selection.require(level)
    regularizer = regularizers_module.get(gate_regularizer)
    multiple = _multiple(channel_multiple)
    settings = GateSettings(regularizer, logit_scale, multiple, integers)
    _require_budget(budget)
    if level != "channel":
        _refuse_without_channels(level, budget, channel_multiple)
    if level not in _SHARED:
        masked = LayerMasker(source, selection, level, settings).run(model_class)
        return _quantized(masked, integers, model)
    graph = trace(source)
    placement = _placed(level, graph, selection)
    if not placement.groups:
        raise nothing_to_mask(source, level, selection.told)
    gated = [step.layer for item in placement.groups for step in item.writers]
    selection.require_gates(gated, level)
    masker = ChannelMasker(graph, placement, selection, budget, settings)
    return _quantized(masker.run(model_class), integers, model)


def _quantized(
    masked: MaskedModel, integers: Quantization | None, model: keras.Model
) -> MaskedModel:
    if integers is None:
        return masked
    names = names_of(as_functional(model).outputs)
    return insert_quantizers(masked, integers, names, type(masked))


#: Granularities of gates that several layers share.
_SHARED = ("channel", "branch")


def _placed(level: str, graph: ChannelGraph, selection: Selection) -> Placement:
    if level == "branch":
        return place_branches(graph, selection.takes_group)
    return place_readable(graph, selection)


# `granularity` is the name of the argument, which hides the module inside.
_granularity = granularity.get


def _multiple(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidArgumentError(
            "channel_multiple to be an int of at least 1",
            f"channel_multiple={value!r}",
            "Pass 8, 16 or 32, or leave it out.",
        )
    return value


def _require_budget(budget: Any) -> None:
    if budget is not None and not isinstance(budget, Budget):
        raise BudgetError(
            "budget to be a kd.Budget or None",
            f"budget={budget!r}",
            "Say what it is of, for example budget=kd.Budget(macs=0.3).",
        )


def _refuse_without_channels(
    level: str, budget: Budget | None, channel_multiple: int
) -> None:
    if channel_multiple != 1:
        raise InvalidArgumentError(
            'granularity="channel" with a channel_multiple',
            f'granularity="{level}", which removes no channel',
            "Drop channel_multiple, or mask channels.",
        )
    if budget is not None and level not in _SHARED:
        raise BudgetError(
            'granularity="channel" or "branch" with a budget',
            f'granularity="{level}", whose zeros leave every tensor at its size',
            "Drop the budget and pass gate_regularizer=kd.regularizers.L0(1e-4), "
            "or mask channels or branches.",
        )
