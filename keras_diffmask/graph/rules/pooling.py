"""Pooling: channelwise, and a constant map pools to the same constant."""

import keras
import numpy as np

from keras_diffmask.graph.axes import on_last_axis, spread
from keras_diffmask.graph.rule import Rule, Step, register


class SpatialRule(Rule):
    """Moves and mixes positions, never channels; a constant map stays what it is."""

    def trace(self, step: Step) -> list[np.ndarray]:
        first = getattr(step.layer, "data_format", None) == "channels_first"
        if first or not on_last_axis(step.inputs[0]):
            return step.bar(f"{step.name} works along an axis that holds channels")
        rank = len(step.call.outputs[0].shape) - 1
        return [spread(step.inputs[0].reshape(-1), rank)]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if inputs[0].size != step.outputs[0].size:
            return super().constants(step, inputs)
        # Keras leaves padding out of its averages and maxima.
        return [inputs[0].reshape(step.outputs[0].shape)]


@register(
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
    keras.layers.AdaptiveAveragePooling1D,
    keras.layers.AdaptiveAveragePooling2D,
    keras.layers.AdaptiveAveragePooling3D,
    keras.layers.AdaptiveMaxPooling1D,
    keras.layers.AdaptiveMaxPooling2D,
    keras.layers.AdaptiveMaxPooling3D,
)
class PoolRule(SpatialRule):
    pass
