"""Padding, cropping, upsampling and resizing: positions change, channels do not."""

import keras
import numpy as np

from keras_diffmask.graph.rule import Step, register
from keras_diffmask.graph.rules.pooling import SpatialRule


@register(
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Cropping3D,
    keras.layers.CenterCrop,
    keras.layers.UpSampling1D,
    keras.layers.UpSampling2D,
    keras.layers.UpSampling3D,
)
class ResampleRule(SpatialRule):
    pass


@register(
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
)
class ZeroPaddingRule(SpatialRule):
    """Only a channel of zeros is the same everywhere behind the padding."""

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        values = super().constants(step, inputs)[0]
        return [np.where(values == 0, 0.0, np.nan)]

    def settles(self, step: Step, zero: bool) -> bool:
        return zero


@register(keras.layers.Resizing)
class ResizingRule(ZeroPaddingRule):
    """Bilinear and nearest keep a constant; bicubic and Lanczos do so to rounding."""

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        layer = step.layer
        exact = layer.interpolation in ("nearest", "bilinear")
        if exact and not layer.pad_to_aspect_ratio:
            return SpatialRule.constants(self, step, inputs)
        if layer.pad_to_aspect_ratio and layer.fill_value != 0:
            return [np.full(step.outputs[0].shape, np.nan)]
        return super().constants(step, inputs)

    def leak_free(self, step: Step) -> bool:
        return not step.layer.pad_to_aspect_ratio or step.layer.fill_value == 0
