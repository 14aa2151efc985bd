"""Mask a model weight by weight: every layer with a kernel gets gates of its own."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import granularity, rebuild
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.masking.masked_model import MaskedModel
from keras_diffmask.masking.selection import Selection
from keras_diffmask.masking.start import clone_estimator, initial_gate, nothing_to_mask


class WeightMasker:
    """Gives every Dense and Conv2D its own gates on weights."""

    def __init__(
        self, source: keras.Model, selection: Selection, regularizer: Any
    ) -> None:
        self.source = source
        self.selection = selection
        self.regularizer = regularizer

    def run(self, model_class: type[MaskedModel] = MaskedModel) -> MaskedModel:
        if not any(self._maskable(layer) for layer in self.source.layers):
            raise nothing_to_mask(self.source)
        rebuilder = rebuild.Rebuilder(self.source, self._make, self._weights)
        return rebuilder.run(model_class=model_class)

    def _maskable(self, layer: Any) -> bool:
        masked = STOCK_TO_MASKED.get(type(layer))
        fits = masked is not None and granularity.WEIGHT in masked.granularities
        return fits and self.selection.takes(layer)

    def _make(self, old: Any) -> Any:
        if not self._maskable(old):
            return rebuild.clone(old)
        return STOCK_TO_MASKED[type(old)].from_config(
            {
                **old.get_config(),
                "estimator": clone_estimator(self.selection.estimator_of([old])),
                "granularity": "weight",
                "gate_regularizer": self.regularizer,
            }
        )

    def _weights(self, old: Any) -> list[np.ndarray]:
        arrays = rebuild.arrays(old)
        if self._maskable(old):
            start = initial_gate(self.selection.estimator_of([old]))
            arrays[0] = arrays[0] / start
        return arrays
