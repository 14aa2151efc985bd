"""BatchNormalization: channelwise, and not 0 at 0."""

from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import on_last_axis
from keras_diffmask.graph.rule import Cut, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights

_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


def vector(layer: Any, name: str, size: int) -> np.ndarray:
    """A weight per channel in float64: gamma is 1 and others 0 where absent."""
    weight = getattr(layer, name, None)
    if weight is None:
        return np.full(size, float(name in ("gamma", "scale")))
    return weights.array(weight).astype(np.float64).reshape(-1)


def present(layer: Any, names: tuple[str, ...]) -> list[str]:
    """Those of the weights that the layer has."""
    return [name for name in names if getattr(layer, name, None) is not None]


def taken(layer: Any, names: tuple[str, ...], places: np.ndarray) -> dict[str, Any]:
    """Those of the weights that the layer has, at these channels."""
    return {
        name: weights.array(getattr(layer, name))[places]
        for name in present(layer, names)
    }


@register(keras.layers.BatchNormalization)
class BatchNormalizationRule(Rule):
    def _reason(self, step: Step) -> str | None:
        rank = len(step.call.inputs[0].shape)
        if step.layer.axis not in (-1, rank - 1):
            return f"{step.name} normalizes an axis other than the last"
        if getattr(step.layer, "renorm", False):
            return f"{step.name} uses batch renormalization"
        if not on_last_axis(step.inputs[0]):
            return f"{step.name} follows a reshape that mixes channels"
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self._reason(step)
        if reason is not None:
            step.units.pin(step.inputs[0], reason)
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self._reason(step):
            return super().constants(step, inputs)
        layer = step.layer
        gamma, beta, mean, variance = (
            vector(layer, name, step.inputs[0].size) for name in _WEIGHTS
        )
        scale = gamma / np.sqrt(variance + layer.epsilon)
        # gamma = 0 fixes a channel whatever comes in.
        moving = np.nan if step.always_trains else mean
        values = np.where(scale == 0, 0.0, inputs[0].reshape(-1) - moving)
        return [(values * scale + beta).reshape(step.outputs[0].shape)]

    def parameters(self, step: Step) -> list[Term]:
        if self._reason(step):
            return super().parameters(step)
        count = len(present(step.layer, _WEIGHTS))
        return [Term(count, None, step.inputs[0].reshape(-1))]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self._reason(step):
            return {}, {}
        return {}, taken(step.layer, _WEIGHTS, cut.along(step.inputs[0]))

    def leak_free(self, step: Step) -> bool:
        return False
