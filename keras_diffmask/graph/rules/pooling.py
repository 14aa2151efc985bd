"""Pooling: channelwise, and a constant map pools to the same constant."""

import keras
import numpy as np

from keras_diffmask.graph.rule import Rule, Step, register


class _PoolRule(Rule):
    def trace(self, step: Step) -> list[np.ndarray]:
        ids = step.inputs[0]
        channels_first = step.layer.data_format == "channels_first"
        if ids.size != ids.shape[-1] or channels_first:
            reason = f"{step.name} pools along an axis that holds channels"
            step.units.pin(ids, reason)
            out = step.units.new(step.call.outputs[0].shape[-1])
            step.units.pin(out, reason)
            return [step.spread(step.call.outputs[0].shape, out)]
        return [step.spread(step.call.outputs[0].shape, ids.reshape(-1))]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if inputs[0].size != step.outputs[0].size:
            return super().constants(step, inputs)
        # Keras leaves padding out of its averages and maxima.
        return [inputs[0].reshape(step.outputs[0].shape)]


@register(
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
)
class LocalPoolRule(_PoolRule):
    pass


@register(
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
)
class GlobalPoolRule(_PoolRule):
    pass
