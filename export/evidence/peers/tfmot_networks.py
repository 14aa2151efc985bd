"""The networks of `evidence.families` in Keras 2, for tensorflow-model-optimization."""

from collections.abc import Callable
from typing import Any

import tf_keras

STAGES = ((16, 1), (32, 2), (64, 2))
#: Channels and units of the two others.
WIDTH = 64

layers = tf_keras.layers


def resnet8(shape: tuple[int, ...], classes: int) -> Any:
    """The ResNet-8 of `benchmarking.networks`.

    Args:
        shape: height, width, channels.
        classes: number of outputs; they are logits.
    """

    def conv_norm(x: Any, filters: int, stride: int = 1) -> Any:
        x = layers.Conv2D(filters, 3, strides=stride, padding="same")(x)
        return layers.BatchNormalization()(x)

    inputs = tf_keras.Input(shape)
    x = layers.ReLU()(conv_norm(inputs, STAGES[0][0]))
    for filters, stride in STAGES:
        y = layers.ReLU()(conv_norm(x, filters, stride))
        y = conv_norm(y, filters)
        if stride != 1:
            x = layers.Conv2D(filters, 1, strides=stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(inputs, layers.Dense(classes)(x))


def ds_cnn(shape: tuple[int, ...], classes: int) -> Any:
    """The DS-CNN of `evidence.tiny.networks`.

    Args:
        shape: steps, features, 1.
        classes: number of outputs; they are logits.
    """

    def norm_relu(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = tf_keras.Input(shape)
    x = layers.Conv2D(WIDTH, (10, 4), 2, padding="same", use_bias=False)(inputs)
    x = norm_relu(x)
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.Conv2D(WIDTH, 1, use_bias=False)(norm_relu(x))
        x = norm_relu(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(inputs, layers.Dense(classes)(x))


def two_lstm(shape: tuple[int, ...], classes: int) -> Any:
    """The two LSTM layers of `evidence.tiny.networks`.

    Args:
        shape: steps, features.
        classes: number of outputs; they are logits.
    """
    inputs = tf_keras.Input(shape)
    x = layers.LSTM(WIDTH, return_sequences=True)(inputs)
    x = layers.LSTM(WIDTH)(x)
    return tf_keras.Model(inputs, layers.Dense(classes)(x))


#: Name of a family -> what makes its network.
NETWORKS: dict[str, Callable[[tuple[int, ...], int], Any]] = {
    "resnet8": resnet8,
    "ds_cnn": ds_cnn,
    "two_lstm": two_lstm,
}
