"""Mask a model layer by layer: every kernel gets a gate of its own."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import granularity, rebuild
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.layers.masked import MaskedLayer
from keras_diffmask.masking.gate_settings import GateSettings
from keras_diffmask.masking.masked_model import MaskedModel
from keras_diffmask.masking.selection import Selection
from keras_diffmask.masking.start import clone_estimator, initial_gate, nothing_to_mask


class LayerMasker:
    """Gives every layer whose kernel has such parts its own gate on them.

    Args:
        source: the flat Functional model.
        selection: which layers, and with which estimators.
        level: the granularity, finer than a channel.
        settings: what all gates have in common.
    """

    def __init__(
        self,
        source: keras.Model,
        selection: Selection,
        level: str,
        settings: GateSettings,
    ) -> None:
        self.source = source
        self.selection = selection
        self.level = level
        self.settings = settings

    def run(self, model_class: type[MaskedModel] = MaskedModel) -> MaskedModel:
        gated = [layer for layer in self.source.layers if self._maskable(layer)]
        if not gated:
            raise nothing_to_mask(self.source, self.level, self.selection.told)
        self.selection.require_gates(gated, self.level)
        rebuilder = rebuild.Rebuilder(self.source, self._make, self._weights)
        model = rebuilder.run(model_class=model_class)
        for layer in model.layers:
            if isinstance(layer, MaskedLayer) and layer.gate is not None:
                layer.gate.restart()
        return model

    def _maskable(self, layer: Any) -> bool:
        masked = STOCK_TO_MASKED.get(type(layer))
        level = granularity.kind(self.level)
        fits = masked is not None and level in masked.granularities
        if level == granularity.INPUT and getattr(layer, "groups", 1) > 1:
            return False  # no row of its kernel belongs to one input channel
        return fits and self.selection.takes(layer)

    def _make(self, old: Any) -> Any:
        if not self._maskable(old):
            return rebuild.clone(old)
        return STOCK_TO_MASKED[type(old)].from_config(
            {
                **old.get_config(),
                "estimator": clone_estimator(self.selection.estimator_of([old])),
                "granularity": self.level,
                "gate_regularizer": self.settings.regularizer,
                "logit_scale": self.settings.logit_scale,
            }
        )

    def _weights(self, old: Any) -> list[np.ndarray]:
        arrays = rebuild.arrays(old)
        if self._maskable(old):
            start = initial_gate(self.selection.estimator_of([old]))
            arrays[0] = arrays[0] / start
        return arrays
