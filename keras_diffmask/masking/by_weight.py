"""Mask a model weight by weight: every layer with a kernel gets gates of its own."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import granularity, rebuild
from keras_diffmask.estimators import Estimator
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.masking.masked_model import MaskedModel
from keras_diffmask.masking.start import clone_estimator, initial_gate, nothing_to_mask


class WeightMasker:
    """Gives every Dense and Conv2D its own gates on weights."""

    def __init__(
        self, source: keras.Model, estimator: Estimator, regularizer: Any
    ) -> None:
        self.source = source
        self.estimator = estimator
        self.regularizer = regularizer
        self.start = initial_gate(estimator)

    def run(self) -> MaskedModel:
        if not any(self._maskable(layer) for layer in self.source.layers):
            raise nothing_to_mask(self.source)
        rebuilder = rebuild.Rebuilder(self.source, self._make, self._weights)
        return rebuilder.run(model_class=MaskedModel)

    def _maskable(self, layer: Any) -> bool:
        masked = STOCK_TO_MASKED.get(type(layer))
        return masked is not None and granularity.WEIGHT in masked.granularities

    def _make(self, old: Any) -> Any:
        if not self._maskable(old):
            return rebuild.clone(old)
        return STOCK_TO_MASKED[type(old)].from_config(
            {
                **old.get_config(),
                "estimator": clone_estimator(self.estimator),
                "granularity": "weight",
                "gate_regularizer": self.regularizer,
            }
        )

    def _weights(self, old: Any) -> list[np.ndarray]:
        arrays = rebuild.arrays(old)
        if self._maskable(old):
            arrays[0] = arrays[0] / self.start
        return arrays
