"""The two dense networks that the demo prunes."""

import keras


def image_network(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A residual CNN with BatchNormalization, 50 to 80 thousand parameters.

    A 3x3 convolution, residual blocks, average pooling, Dense. Three blocks of
    16, 32 and 64 channels, of which the last two halve the image; that is the
    shape of MLPerf Tiny's ResNet-8. A tiny image (up to 16 pixels high) gets two
    blocks of 40, and only the first halves it: a second would hold most of the
    parameters and hardly any MACs, and a budget of MACs would say little about
    the file.

    Args:
        input_shape: height, width, channels.
        classes: number of outputs; they are logits.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> image_network((8, 8, 1), 10).count_params()
        54322
    """
    tiny = max(input_shape[:2]) <= 16
    stem = 24 if tiny else 16
    stages = [(40, 2), (40, 1)] if tiny else [(16, 1), (32, 2), (64, 2)]
    inputs = keras.Input(input_shape)
    x = keras.layers.ReLU()(_conv_bn(inputs, stem, 3, 1, "stem"))
    for number, (filters, stride) in enumerate(stages, 1):
        name = f"block{number}"
        y = _conv_bn(x, filters, 3, stride, f"{name}_first")
        y = _conv_bn(keras.layers.ReLU()(y), filters, 3, 1, f"{name}_second")
        if x.shape[-1] != filters or stride != 1:
            x = _conv_bn(x, filters, 1, stride, f"{name}_skip")
        x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name="image")


def _conv_bn(
    x: keras.KerasTensor, filters: int, size: int, stride: int, name: str
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        filters, size, strides=stride, padding="same", use_bias=False, name=name
    )(x)
    return keras.layers.BatchNormalization(name=f"{name}_norm")(x)


def sequence_network(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Two LSTM layers of 64 units and a Dense layer.

    Args:
        input_shape: steps, features.
        classes: number of outputs; they are logits.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> sequence_network((8, 8), 10).count_params()
        52362
    """
    inputs = keras.Input(input_shape)
    x = keras.layers.LSTM(64, return_sequences=True, name="lstm1")(inputs)
    x = keras.layers.LSTM(64, name="lstm2")(x)
    outputs = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name="sequence")


def build(task: str, input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """The dense network of a task, with fresh weights.

    Args:
        task: `"image"` or `"sequence"`.
        input_shape: shape of one example.
        classes: number of classes.

    Returns:
        A Functional model of stock layers, not compiled.
    """
    make = image_network if task == "image" else sequence_network
    return make(input_shape, classes)


def reborn(model: keras.Model) -> keras.Model:
    """The same architecture with fresh weights: what training alone gives it.

    Args:
        model: a stripped model of stock layers.

    Returns:
        A clone whose weights are initialised anew.
    """
    return keras.models.clone_model(model)
