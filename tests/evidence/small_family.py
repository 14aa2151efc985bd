"""A network in the place of a ResNet-8, for what is done with its trainings."""

import dataclasses
from typing import Any

import keras

from keras_diffmask.export.evidence.families import RESNET8


def small(
    widths: Any = (8, 12), shape: Any = (8, 8, 1), classes: int = 10
) -> keras.Model:
    """Two convolutions that an Add ties, and one that stands alone."""
    first, second = widths
    conv = keras.layers.Conv2D
    inputs = keras.Input(shape)
    x = conv(first, 3, padding="same", activation="relu", name="stem")(inputs)
    y = conv(first, 3, padding="same", name="branch")(x)
    x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = conv(second, 3, strides=2, activation="relu", name="alone")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


SMALL = dataclasses.replace(RESNET8, widths=(8, 12), at_widths=small)
