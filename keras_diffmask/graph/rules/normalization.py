"""BatchNormalization: channelwise, and not 0 at 0."""

from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register

_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


@register(keras.layers.BatchNormalization)
class BatchNormalizationRule(Rule):
    def _reason(self, step: Step) -> str | None:
        rank = len(step.call.inputs[0].shape)
        if step.layer.axis not in (-1, rank - 1):
            return f"{step.name} normalizes an axis other than the last"
        if getattr(step.layer, "renorm", False):
            return f"{step.name} uses batch renormalization"
        if step.inputs[0].size != step.inputs[0].shape[-1]:
            return f"{step.name} follows a reshape that mixes channels"
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self._reason(step)
        if reason is None:
            return [step.inputs[0]]
        step.units.pin(step.inputs[0], reason)
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self._reason(step):
            return super().constants(step, inputs)
        gamma, beta, mean, variance = self._values(step.layer)
        scale = gamma / np.sqrt(variance + step.layer.epsilon)
        # gamma = 0 fixes a channel whatever comes in.
        values = np.where(scale == 0, 0.0, inputs[0].reshape(-1) - mean)
        return [(values * scale + beta).reshape(step.outputs[0].shape)]

    def _values(self, layer: Any) -> tuple[np.ndarray, ...]:
        size = layer.moving_mean.shape[0]

        def value(name: str, default: float) -> np.ndarray:
            weight = getattr(layer, name)
            if weight is None:
                return np.full(size, default)
            return keras.ops.convert_to_numpy(weight).astype(np.float64)

        return tuple(value(name, float(name == "gamma")) for name in _WEIGHTS)

    def parameters(self, step: Step) -> list[Term]:
        present = sum(getattr(step.layer, name) is not None for name in _WEIGHTS)
        if self._reason(step):
            return super().parameters(step)
        return [Term(present, None, step.inputs[0].reshape(-1))]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], dict[str, Any]]:
        if self._reason(step):
            return {}, {}
        stays = cut.along(step.inputs[0])
        weights = {
            name: keras.ops.convert_to_numpy(weight)[stays]
            for name in _WEIGHTS
            if (weight := getattr(step.layer, name)) is not None
        }
        return {}, weights

    def leak_free(self, step: Step) -> bool:
        return False
