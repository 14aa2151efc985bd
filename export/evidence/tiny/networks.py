"""Networks in the shapes of MLPerf Tiny, and an LSTM beside them.

Layers, widths and strides are the benchmark's; the last layer gives logits. The
image classifier, ResNet-8, is in `benchmarking.networks`.
"""

from collections.abc import Callable, Sequence

import keras

from keras_diffmask.export.benchmarking.networks import resnet8, resnet8_of

layers = keras.layers

# Strides of the depthwise convolutions of MobileNet, and at a quarter of its width
# the channels of its first convolution and of the 1x1 ones.
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_QUARTER = (8, 16, 32, 32, 64, 64, *(128,) * 6, 256, 256)


def ds_cnn(
    widths: Sequence[int] = (64,) * 5,
    input_shape: tuple[int, ...] = (49, 10, 1),
    classes: int = 12,
) -> keras.Model:
    """Keyword spotting: a convolution and four depthwise separable ones.

    Args:
        widths: channels of the first convolution and of the four 1x1 ones.
        input_shape: steps, features, 1.
        classes: number of outputs; they are logits.

    Example:
        >>> ds_cnn().output_shape
        (None, 12)
    """
    inputs = keras.Input(input_shape)
    first, *others = widths
    x = layers.Conv2D(first, (10, 4), 2, padding="same", use_bias=False)(inputs)
    x = _norm_relu(x)
    for channels in others:
        x = _separable(x, channels, 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="ds_cnn")


def mobilenet(widths: Sequence[int] = _QUARTER) -> keras.Model:
    """Visual wake words: MobileNet version 1 on 96x96 colour images.

    Args:
        widths: channels of the first convolution and of the 13 1x1 ones.

    Example:
        >>> mobilenet().output_shape
        (None, 2)
    """
    inputs = keras.Input((96, 96, 3))
    first, *others = widths
    x = layers.Conv2D(first, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = _norm_relu(x)
    for channels, stride in zip(others, _STRIDES, strict=True):
        x = _separable(x, channels, stride)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x), name="mobilenet_v1_025")


def autoencoder(
    widths: Sequence[int] = (128, 128, 128, 128, 8, 128, 128, 128, 128),
) -> keras.Model:
    """Anomaly detection: Dense layers around a bottleneck.

    Args:
        widths: units of the layers before the last.

    Example:
        >>> autoencoder().output_shape
        (None, 640)
    """
    x = inputs = keras.Input((640,))
    for units in widths:
        x = _norm_relu(layers.Dense(units)(x))
    return keras.Model(inputs, layers.Dense(640)(x), name="autoencoder")


def lstm(
    widths: Sequence[int] = (64, 64),
    input_shape: tuple[int, ...] = (49, 10),
    classes: int = 12,
) -> keras.Model:
    """Keyword spotting once more, by two LSTM layers.

    Args:
        widths: units of the two.
        input_shape: steps, features.
        classes: number of outputs; they are logits.

    Example:
        >>> lstm().output_shape
        (None, 12)
    """
    inputs = keras.Input(input_shape)
    first, second = widths
    x = layers.LSTM(first, return_sequences=True)(inputs)
    x = layers.LSTM(second)(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="two_lstm")


def resnet8_at(
    widths: Sequence[int] = (16, 16, 32, 32, 64, 64),
    input_shape: tuple[int, ...] = (32, 32, 3),
    classes: int = 10,
) -> keras.Model:
    """Image classification: `resnet8_of`, its widths in one row.

    Args:
        widths: of each block in turn the channels inside and those that its
            addition ties.
        input_shape: height, width, channels.
        classes: number of outputs; they are logits.

    Example:
        >>> resnet8_at().count_params()
        78666
    """
    pairs = zip(widths[::2], widths[1::2], strict=True)
    return resnet8_of(input_shape, classes, list(pairs))


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

#: The same networks at any widths, and how many of these they take.
AT_WIDTHS: dict[str, tuple[int, Callable[[Sequence[int]], keras.Model]]] = {
    "DS-CNN": (5, ds_cnn),
    "MobileNetV1-0.25": (14, mobilenet),
    "ResNet-8": (6, resnet8_at),
    "auto-encoder": (9, autoencoder),
    "2 LSTM": (2, lstm),
}
