"""Activations, dropout and scaling: each channel on its own."""

import math
from typing import Any

import keras
import numpy as np
from keras.saving import serialize_keras_object

from keras_diffmask.graph import activations
from keras_diffmask.graph.axes import on_last_axis
from keras_diffmask.graph.rule import Channelwise, Cut, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.layers import FakeQuantize


@register(
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
    keras.layers.Identity,
)
class IdentityRule(Channelwise):
    """Layers that do nothing at inference."""

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if step.always_trains:
            return Rule.constants(self, step, inputs)
        return list(inputs)


@register(FakeQuantize)
class FakeQuantizeRule(Channelwise):
    """0 is one of the integers. Other constants stay: a reader's bias could not hold
    what its rounded weights make of them.
    """

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return [np.where(inputs[0] == 0, 0.0, np.nan)]


@register(keras.layers.Activation, *activations.ELEMENTWISE_LAYERS)
class ActivationRule(Channelwise):
    def _function(self, step: Step) -> Any:
        return getattr(step.layer, "activation", step.layer)

    def trace(self, step: Step) -> list[np.ndarray]:
        if not activations.is_elementwise(self._function(step)):
            step.units.pin(step.inputs[0], f"the activation {step.name} mixes channels")
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if not activations.is_elementwise(self._function(step)):
            return Rule.constants(self, step, inputs)
        return [activations.apply(self._function(step), inputs[0])]

    def leak_free(self, step: Step) -> bool:
        return activations.is_zero_at_zero(self._function(step))


@register(keras.layers.Softmax)
class SoftmaxRule(Rule):
    def trace(self, step: Step) -> list[np.ndarray]:
        step.units.pin(step.inputs[0], f"{step.name} mixes its channels")
        return [step.inputs[0]]


@register(keras.layers.PReLU)
class PReLURule(Channelwise):
    """A slope per channel; 0 stays 0, other constants only if one slope holds."""

    def trace(self, step: Step) -> list[np.ndarray]:
        if not on_last_axis(step.inputs[0]):
            reason = f"{step.name} has slopes along another axis than the channels"
            step.units.pin(step.inputs[0], reason)
        return [step.inputs[0]]

    def _alpha(self, step: Step) -> np.ndarray:
        return weights.array(step.layer.alpha)

    def _is_whole(self, step: Step) -> bool:
        """Whether the slopes stay as they are, whatever channels go."""
        is_shared = self._alpha(step).shape[-1] == 1 < step.inputs[0].size
        return is_shared or not on_last_axis(step.inputs[0])

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if not on_last_axis(step.inputs[0]):
            return [np.where(inputs[0] == 0, 0.0, np.nan)]
        alpha = self._alpha(step).astype(np.float64)
        flat = alpha.reshape(-1, alpha.shape[-1])
        slope = np.where(np.ptp(flat, axis=0) == 0, flat[0], np.nan)
        values = inputs[0]
        negative = np.where(values == 0, 0.0, values * slope)
        return [np.where(values > 0, values, negative)]

    def parameters(self, step: Step) -> list[Term]:
        if self._is_whole(step):
            return super().parameters(step)
        each = math.prod(step.layer.alpha.shape[:-1])
        return [Term(each, None, step.inputs[0].reshape(-1))]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self._is_whole(step):
            return {}, {}
        return {}, {"alpha": self._alpha(step)[..., cut.along(step.inputs[0])]}


@register(keras.layers.Rescaling)
class RescalingRule(Channelwise):
    """x * scale + offset, each a number or an array that broadcasts."""

    def _arrays(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        rank = step.inputs[0].ndim
        scale, offset = (
            np.asarray(value, np.float64).reshape(
                (1,) * (rank - np.ndim(value)) + np.shape(value)
            )
            for value in (step.layer.scale, step.layer.offset)
        )
        return scale, offset

    def _fits(self, step: Step) -> bool:
        ids = step.inputs[0]
        if max(np.ndim(step.layer.scale), np.ndim(step.layer.offset)) > ids.ndim:
            return False
        shapes = [array.shape for array in self._arrays(step)]
        along = zip(*shapes, ids.shape, strict=True)
        return all(max(a, b) in (1, size) for a, b, size in along)

    def trace(self, step: Step) -> list[np.ndarray]:
        if not self._fits(step):
            reason = f"{step.name} scales an axis other than that of the channels"
            step.units.pin(step.inputs[0], reason)
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if not self._fits(step):
            return Rule.constants(self, step, inputs)
        scale, offset = self._arrays(step)
        # scale = 0 fixes a channel whatever comes in.
        values = np.where(scale == 0, 0.0, inputs[0])
        return [np.broadcast_to(values * scale + offset, inputs[0].shape)]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if not self._fits(step):
            return {}, {}
        stays = cut.along(step.inputs[0]).reshape(step.inputs[0].shape)
        config = {}
        for name in ("scale", "offset"):
            value = np.asarray(getattr(step.layer, name))
            if value.size > 1:
                axis = int(np.argmax(value.shape))
                left = np.compress(stays.reshape(-1), value, axis=axis)
                # An array: Keras reads a list through float32 in any model.
                config[name] = serialize_keras_object(left)
        return config, {}

    def vanishes(self, step: Step, cut: Cut) -> bool:
        # Only where an array shrank: a user's own Rescaling(1.0) stays.
        if not self._fits(step) or np.ndim(step.layer.scale) == 0:
            return False
        stays = cut.along(step.inputs[0])
        scale, offset = (
            np.broadcast_to(array, step.inputs[0].shape).reshape(-1)[stays]
            for array in self._arrays(step)
        )
        return bool(np.all(scale == 1) and np.all(offset == 0))


@register(keras.layers.Normalization)
class NormalizationRule(Rule):
    """Preprocessing of inputs, which are not cut; elsewhere it is a barrier."""

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = f"{step.name} holds statistics of its input"
        step.units.pin(step.inputs[0], reason)
        return [step.inputs[0]]
