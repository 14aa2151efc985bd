"""Estimators: gate logits to mask, forward and backward. One paper, one file."""

from typing import Any

from keras_diffmask import lookup
from keras_diffmask.estimators.estimator import Estimator as Estimator
from keras_diffmask.estimators.gumbel_sigmoid import GumbelSigmoid as GumbelSigmoid
from keras_diffmask.estimators.hard_concrete import HardConcrete as HardConcrete
from keras_diffmask.estimators.operation_aware import OperationAware as OperationAware
from keras_diffmask.estimators.soft_threshold import SoftThreshold as SoftThreshold
from keras_diffmask.estimators.straight_through import (
    StraightThrough as StraightThrough,
)

#: Every estimator by the name users write. A new one adds one line here.
ALL_OBJECTS: dict[str, type[Estimator]] = {
    "straight_through": StraightThrough,
    "hard_concrete": HardConcrete,
    "operation_aware": OperationAware,
    "soft_threshold": SoftThreshold,
    "gumbel_sigmoid": GumbelSigmoid,
}


def get(identifier: Any) -> Estimator:
    """Return the estimator that a name, configuration or object stands for."""
    return lookup.get(identifier, ALL_OBJECTS, Estimator, "estimator")
