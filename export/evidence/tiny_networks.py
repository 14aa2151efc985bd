"""Networks in the shapes of MLPerf Tiny, and an LSTM beside them.

Layers, widths and strides are the benchmark's; the last layer gives logits. The
image classifier, ResNet-8, is in `benchmarking.networks`.
"""

from collections.abc import Callable

import keras

from keras_diffmask.export.benchmarking.networks import resnet8

layers = keras.layers

# Channels at full width, and the stride of the depthwise convolution before them.
_MOBILENET = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


def ds_cnn() -> keras.Model:
    """Keyword spotting: a convolution and four depthwise separable ones, 64 wide.

    Example:
        >>> ds_cnn().output_shape
        (None, 12)
    """
    inputs = keras.Input((49, 10, 1))
    x = layers.Conv2D(64, (10, 4), strides=2, padding="same", use_bias=False)(inputs)
    x = _norm_relu(x)
    for _ in range(4):
        x = _separable(x, 64, 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(12)(x), name="ds_cnn")


def mobilenet(width: float = 0.25) -> keras.Model:
    """Visual wake words: MobileNet version 1 on 96x96 colour images.

    Args:
        width: share of the channels of every layer.

    Example:
        >>> mobilenet().output_shape
        (None, 2)
    """
    inputs = keras.Input((96, 96, 3))
    first = int(32 * width)
    x = layers.Conv2D(first, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = _norm_relu(x)
    for channels, stride in _MOBILENET:
        x = _separable(x, int(width * channels), stride)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x), name="mobilenet_v1_025")


def autoencoder() -> keras.Model:
    """Anomaly detection: Dense layers of 128 around a bottleneck of 8.

    Example:
        >>> autoencoder().output_shape
        (None, 640)
    """
    x = inputs = keras.Input((640,))
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = _norm_relu(layers.Dense(units)(x))
    return keras.Model(inputs, layers.Dense(640)(x), name="autoencoder")


def lstm() -> keras.Model:
    """Keyword spotting once more, by two LSTM layers of 64 units.

    Example:
        >>> lstm().output_shape
        (None, 12)
    """
    inputs = keras.Input((49, 10))
    x = layers.LSTM(64, return_sequences=True)(inputs)
    return keras.Model(inputs, layers.Dense(12)(layers.LSTM(64)(x)), name="two_lstm")


def _separable(x: keras.KerasTensor, channels: int, stride: int) -> keras.KerasTensor:
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
    return _norm_relu(layers.Conv2D(channels, 1, use_bias=False)(_norm_relu(x)))


def _norm_relu(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization()(x))


#: Name in the table -> what makes the network.
NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "DS-CNN": ds_cnn,
    "MobileNetV1-0.25": mobilenet,
    "ResNet-8": resnet8,
    "auto-encoder": autoencoder,
    "2 LSTM": lstm,
}
