"""Penalties on gates. One penalty, one file."""

from typing import Any

from keras_diffmask import lookup
from keras_diffmask.regularizers.l0 import L0 as L0
from keras_diffmask.regularizers.log_threshold import LogThreshold as LogThreshold
from keras_diffmask.regularizers.operation_aware_penalty import (
    OperationAwarePenalty as OperationAwarePenalty,
)
from keras_diffmask.regularizers.regularizer import GateRegularizer as GateRegularizer

#: Every gate regularizer by the name users write.
ALL_OBJECTS: dict[str, type[GateRegularizer]] = {
    "l0": L0,
    "log_threshold": LogThreshold,
    "operation_aware_penalty": OperationAwarePenalty,
}


def get(identifier: Any) -> GateRegularizer | None:
    """Return the regularizer that a name, configuration or object stands for."""
    if identifier is None:
        return None
    return lookup.get(identifier, ALL_OBJECTS, GateRegularizer, "gate_regularizer")
