"""Where masking starts: at the function of the original model."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import granularity, keras_internals
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from keras_diffmask.estimators import Estimator
from keras_diffmask.gate import Gate


def require_unmasked(model: keras.Model) -> None:
    """Refuse a model that has gates already.

    Raises:
        UnsupportedModelError: naming the first of them.
    """
    for layer in keras_internals.flatten_layers(model):
        if isinstance(layer, Gate):
            raise UnsupportedModelError(
                "a model without masks",
                f"model {model.name!r}, which has the gate {layer.name!r}",
                "Mask the original model, or keras_diffmask.export.strip(model) first.",
            )


def initial_gate(estimator: Estimator) -> float:
    """The inference gate at the initial logit.

    Raises:
        InvalidArgumentError: it is 0, and the model would start closed.
    """
    value = estimator.initial_gate()
    if value == 0.0:
        raise InvalidArgumentError(
            "an initial_keep at which the inference gate is open",
            f"initial_keep={estimator.initial_keep}",
            "Raise initial_keep.",
        )
    return value


def clone_estimator(estimator: Estimator) -> Estimator:
    """An estimator of the same configuration."""
    return type(estimator).from_config(estimator.get_config())


def fold_inverse(layer: Any, start: np.ndarray) -> None:
    """Give a masked layer weights that a mask of `start` turns into the old ones.

    Args:
        layer: a built masked layer, holding the original's weights.
        start: the inference gate of each unit at the start.
    """
    mask = start.astype(np.float32)
    weights = [variable for variable, _ in layer.masked_weights(mask)]
    old = [keras.ops.convert_to_numpy(variable) for variable in weights]
    for variable in weights:
        variable.assign(np.ones(variable.shape))
    # Of ones, what the mask makes of a weight is the factor it multiplies it by.
    factors = [
        keras.ops.convert_to_numpy(value) for _, value in layer.masked_weights(mask)
    ]
    for variable, value, factor in zip(weights, old, factors, strict=True):
        variable.assign(value / factor)


def below_one(layer: Any, start: float) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"gates that start at exactly 1, since the mask of {layer.name!r} multiplies "
        "its output and no weight can hold the inverse",
        f"an inference gate of {start:.3f} at the start",
        "Leave initial_keep at its default.",
    )


def nothing_to_mask(
    model: keras.Model, level: str, told: tuple[str, ...]
) -> UnsupportedModelError:
    """The error of a model where no gate has a place.

    Args:
        model: the model.
        level: canonical granularity.
        told: the arguments that leave layers alone, in words.
    """
    if told:
        return UnsupportedModelError(
            f"{' and '.join(told)} to leave a layer that can have a gate at "
            f"granularity {level!r}",
            f"model {model.name!r}, where none is left: the output layer keeps its "
            "units, for instance",
            "Choose other layers; keras_diffmask.export.plan(model) says what holds "
            "each.",
        )
    if level == granularity.BRANCH:
        return UnsupportedModelError(
            "a model with at least one residual branch: layers with weights whose "
            "output is added to what goes round them, and read nowhere else",
            f"model {model.name!r} without one that was to be masked",
            'Pass granularity="channel", or put kd.layers.MaskedResidual() in the '
            "place of an Add.",
        )
    return UnsupportedModelError(
        "a model with at least one layer whose channels can be removed",
        f"model {model.name!r}, where every channel is an input or an output or "
        "sits next to a layer without a rule",
        "Print keras_diffmask.export.plan(model) to see what holds each layer.",
    )
