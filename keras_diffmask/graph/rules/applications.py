"""Layers that keras.applications brings along."""

from typing import Any

import numpy as np

from keras_diffmask import keras_internals
from keras_diffmask.graph.axes import on_last_axis
from keras_diffmask.graph.rule import Channelwise, Cut, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.graph.rules.elementwise import IdentityRule
from keras_diffmask.graph.rules.merge import MergeRule


@register(keras_internals.LayerScale)
class LayerScaleRule(Channelwise):
    """ConvNeXt's x * gamma, gamma along the last axis."""

    def trace(self, step: Step) -> list[np.ndarray]:
        if not on_last_axis(step.inputs[0]):
            return step.bar(
                f"{step.name} scales another axis than that of the channels"
            )
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if not on_last_axis(step.inputs[0]):
            return [np.full(step.outputs[0].shape, np.nan)]
        gamma = weights.array(step.layer.gamma).astype(np.float64)
        values = inputs[0].reshape(-1)
        fixed = np.where(gamma == 0, 0.0, values) * gamma
        return [fixed.reshape(inputs[0].shape)]

    def parameters(self, step: Step) -> list[Term]:
        return [Term(1, None, step.inputs[0].reshape(-1))]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        stays = cut.along(step.inputs[0])
        if not on_last_axis(step.inputs[0]):
            return {}, {}
        gamma = weights.array(step.layer.gamma)[stays]
        # As a list: Keras gives this weight no name of its own.
        return {"projection_dim": int(stays.sum())}, [gamma]


@register(keras_internals.StochasticDepth)
class StochasticDepthRule(IdentityRule):
    """ConvNeXt's dropping of whole examples while training."""


@register(keras_internals.CustomScaleLayer)
class CustomScaleRule(MergeRule):
    """Inception-ResNet's x + scale * y."""

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        scaled = [inputs[0], step.layer.scale * inputs[1]]
        return [np.add(*(np.broadcast_to(v, step.outputs[0].shape) for v in scaled))]
