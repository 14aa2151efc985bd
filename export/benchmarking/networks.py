"""Plain networks of known size, for measuring what masks and their surgery cost."""

from collections.abc import Callable, Sequence

import keras

#: Channels of each block of a ResNet-8, and the stride it starts with.
STAGES = ((16, 1), (32, 2), (64, 2))


def resnet8(
    input_shape: tuple[int, ...] = (32, 32, 3), classes: int = 10, width: float = 1.0
) -> keras.Model:
    """ResNet-8 in the shape of MLPerf Tiny's image classifier.

    A 3x3 convolution, three residual blocks of 16, 32 and 64 channels (the last
    two halve the image, with a 1x1 convolution on the skip), average pooling,
    Dense. At 32x32x3: 78,666 parameters, 12.5 million MACs.

    Args:
        input_shape: height, width, channels.
        classes: number of outputs; they are logits.
        width: share of the channels of every layer, in (0, 1]; rounded down,
            and at least one of each.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> resnet8().count_params()
        78666
    """
    widths = [max(1, int(width * filters)) for filters, _ in STAGES]
    return resnet8_of(input_shape, classes, [(width, width) for width in widths])


def resnet8_of(
    input_shape: tuple[int, ...], classes: int, widths: Sequence[tuple[int, int]]
) -> keras.Model:
    """ResNet-8 with the channels that a pruning has left of it.

    Args:
        input_shape: height, width, channels.
        classes: number of outputs; they are logits.
        widths: of each block the channels inside, and those that its addition
            ties: of its second convolution and its skip, which is the network's
            first convolution for the first block.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> resnet8_of((32, 32, 3), 10, [(16, 16), (32, 32), (64, 64)]).count_params()
        78666
    """
    inputs = keras.Input(input_shape)
    x = _conv_bn(inputs, widths[0][1], 3, 1)
    x = keras.layers.ReLU()(x)
    for (inside, tied), (_, stride) in zip(widths, STAGES, strict=True):
        y = _conv_bn(x, inside, 3, stride)
        y = keras.layers.ReLU()(y)
        y = _conv_bn(y, tied, 3, 1)
        if stride != 1:
            # No BatchNormalization on the skip, as in the reference network.
            x = keras.layers.Conv2D(tied, 1, strides=stride, padding="same")(x)
        x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(x), name="resnet8")


def _conv_bn(
    x: keras.KerasTensor, filters: int, size: int, stride: int
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(filters, size, strides=stride, padding="same")(x)
    return keras.layers.BatchNormalization()(x)


def depthwise_net(
    input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10
) -> keras.Model:
    """A small MobileNet: depthwise and 1x1 convolutions in turns, ReLU6 behind each.

    Args:
        input_shape: height, width, channels.
        classes: number of outputs; they are logits.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> depthwise_net().count_params()
        38634
    """
    layers = keras.layers
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    for filters, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="depthwise")


def two_lstm(
    units: int = 96, steps: int = 100, features: int = 16, classes: int = 10
) -> keras.Model:
    """Two LSTM layers and a Dense layer.

    Args:
        units: units of each LSTM layer.
        steps: length of a sequence.
        features: values per step.
        classes: number of outputs; they are logits.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> two_lstm(units=8, steps=5).output_shape
        (None, 10)
    """
    return two_recurrent(keras.layers.LSTM, "two_lstm", units, steps, features, classes)


def two_recurrent(
    layer: Callable[..., keras.layers.Layer],
    name: str,
    units: int = 96,
    steps: int = 100,
    features: int = 16,
    classes: int = 10,
) -> keras.Model:
    """Two recurrent layers of any kind and a Dense layer.

    Args:
        layer: makes one, called with its units and `return_sequences`.
        name: of the model.
        units: units of each recurrent layer.
        steps: length of a sequence.
        features: values per step.
        classes: number of outputs; they are logits.

    Returns:
        A Functional model, not compiled.

    Example:
        >>> two_recurrent(keras.layers.GRU, "two_gru", units=8).output_shape
        (None, 10)
    """
    inputs = keras.Input((steps, features))
    x = layer(units, return_sequences=True)(inputs)
    x = layer(units, return_sequences=False)(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(x), name=name)


def lenet_300_100(inputs: int = 784, classes: int = 10) -> keras.Model:
    """Dense layers of 300 and 100 units, as pruning papers train them on MNIST.

    Args:
        inputs: values per example.
        classes: number of outputs; they are logits.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> lenet_300_100().count_params()
        266610
    """
    x = first = keras.Input((inputs,))
    for units in (300, 100):
        x = keras.layers.Dense(units, activation="relu")(x)
    return keras.Model(first, keras.layers.Dense(classes)(x), name="lenet_300_100")


def dense_layer(inputs: int = 784, units: int = 300) -> keras.Model:
    """One Dense layer.

    Args:
        inputs: values per example.
        units: its outputs, which are logits.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> dense_layer().count_params()
        235500
    """
    first = keras.Input((inputs,))
    outputs = keras.layers.Dense(units, name="dense")(first)
    return keras.Model(first, outputs, name=f"dense_{inputs}x{units}")


def conv_chain(layers: int, width: int = 8) -> keras.Model:
    """Residual blocks of two 3x3 convolutions on 8x8 images, all equally wide.

    Args:
        layers: layers with weights, an even number of at least 4.
        width: channels of each.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> len(conv_chain(16).weights)
        32
    """
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(inputs)
    for _ in range((layers - 2) // 2):
        y = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        y = keras.layers.Conv2D(width, 3, padding="same")(y)
        x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x), name=f"conv_{layers}")


def dense_chain(layers: int, width: int = 8) -> keras.Model:
    """Dense layers in a row.

    Args:
        layers: how many, at least 2.
        width: units of each but the last, which has 10.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> len(dense_chain(16).weights)
        32
    """
    x = inputs = keras.Input((width,))
    for _ in range(layers - 1):
        x = keras.layers.Dense(width, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x), name=f"dense_{layers}")
