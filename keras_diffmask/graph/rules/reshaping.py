"""Flatten: one channel becomes H * W entries that go together."""

import keras
import numpy as np

from keras_diffmask.graph.rule import Rule, Step, register


@register(keras.layers.Flatten)
class FlattenRule(Rule):
    def trace(self, step: Step) -> list[np.ndarray]:
        shape = step.call.inputs[0].shape[1:]
        if None in shape or step.layer.data_format != "channels_last":
            reason = f"{step.name} flattens axes of unknown size or order"
            step.units.pin(step.inputs[0], reason)
            out = step.units.new(step.call.outputs[0].shape[-1] or 1)
            step.units.pin(out, reason)
            return [out]
        return [np.broadcast_to(step.inputs[0], shape).reshape(-1)]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        shape = step.call.inputs[0].shape[1:]
        if None in shape or step.layer.data_format != "channels_last":
            return super().constants(step, inputs)
        return [np.broadcast_to(inputs[0], shape).reshape(-1)]
