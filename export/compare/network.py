"""The network that every method prunes."""

import keras

# Output channels and stride of each convolution.
LAYERS = ((16, 2), (32, 1), (32, 1), (64, 2), (64, 1))


def network(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A plain CNN: five times convolution, BatchNormalization, ReLU, then Dense.

    Without skips, so that each layer has channels of its own; with ReLU right
    behind each normalization, which operation-aware pruning asks for.

    Args:
        input_shape: height, width, channels.
        classes: number of outputs; they are logits.

    Returns:
        A Functional model of stock layers, not compiled.

    Example:
        >>> network((28, 28, 1), 10).count_params()
        75146
    """
    inputs = x = keras.Input(input_shape)
    for number, (filters, stride) in enumerate(LAYERS, 1):
        x = keras.layers.Conv2D(
            filters, 3, strides=stride, padding="same", use_bias=False,
            name=f"conv{number}",
        )(x)  # fmt: skip
        x = keras.layers.BatchNormalization(name=f"norm{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name="compare")
