"""Activations, dropout and scaling: each channel on its own."""

from typing import Any

import keras
import numpy as np
from keras.saving import serialize_keras_object

from keras_diffmask.graph import activations
from keras_diffmask.graph.rule import Cut, Rule, Step, register


@register(
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
    keras.layers.Identity,
)
class IdentityRule(Rule):
    """Layers that do nothing at inference."""

    def trace(self, step: Step) -> list[np.ndarray]:
        return list(step.inputs)

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return list(inputs)


@register(keras.layers.Activation, *activations.ELEMENTWISE_LAYERS)
class ActivationRule(Rule):
    def _function(self, step: Step) -> Any:
        return getattr(step.layer, "activation", step.layer)

    def trace(self, step: Step) -> list[np.ndarray]:
        if not activations.is_elementwise(self._function(step)):
            step.units.pin(step.inputs[0], f"the activation {step.name} mixes channels")
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if not activations.is_elementwise(self._function(step)):
            return super().constants(step, inputs)
        return [activations.apply(self._function(step), inputs[0])]

    def leak_free(self, step: Step) -> bool:
        return activations.is_zero_at_zero(self._function(step))


@register(keras.layers.Softmax)
class SoftmaxRule(Rule):
    def trace(self, step: Step) -> list[np.ndarray]:
        step.units.pin(step.inputs[0], f"{step.name} mixes its channels")
        return [step.inputs[0]]


@register(keras.layers.Rescaling)
class RescalingRule(Rule):
    def _along_last_axis(self, step: Step) -> bool:
        return np.ndim(step.layer.scale) < 2 and np.ndim(step.layer.offset) < 2

    def trace(self, step: Step) -> list[np.ndarray]:
        if not self._along_last_axis(step):
            reason = f"{step.name} scales an axis other than the last"
            step.units.pin(step.inputs[0], reason)
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if not self._along_last_axis(step):
            return super().constants(step, inputs)
        scale = np.asarray(step.layer.scale, np.float64)
        offset = np.asarray(step.layer.offset, np.float64)
        values = np.where(scale == 0, 0.0, inputs[0])
        return [values * scale + offset]

    def _left(self, step: Step, cut: Cut) -> list[Any]:
        """Scale and offset of the channels that stay."""
        both = [step.layer.scale, step.layer.offset]
        if not self._along_last_axis(step):
            return both
        stays = cut.along(step.inputs[0])
        # Arrays: Keras reads a list through float32, whatever the model's type.
        return [v if np.ndim(v) == 0 else np.asarray(v)[stays] for v in both]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], dict[str, Any]]:
        scale, offset = map(serialize_keras_object, self._left(step, cut))
        return {"scale": scale, "offset": offset}, {}

    def vanishes(self, step: Step, cut: Cut) -> bool:
        # Only where a vector shrank: a user's own Rescaling(1.0) stays.
        if np.ndim(step.layer.scale) == 0:
            return False
        scale, offset = self._left(step, cut)
        return bool(np.all(scale == 1) and not np.any(offset))

    def leak_free(self, step: Step) -> bool:
        return not np.any(step.layer.offset)
