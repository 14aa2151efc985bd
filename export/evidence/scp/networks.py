"""VGG-16 and ResNet-56 for images of 32x32, as the paper's authors build them."""

from typing import Any

import keras

VGG_16, RESNET_56 = "VGG-16", "ResNet-56"
#: Sum of squares of every weight but the offsets, in the loss.
DECAY = 1e-4
#: Blocks of VGG-16: (convolutions, width).
_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
#: Stages of ResNet-56: nine blocks of two convolutions in each.
_WIDTHS, _DEPTH = (16, 32, 64), 9


def vgg16(shape: tuple[int, ...], classes: int, divisor: int = 1) -> keras.Model:
    """Thirteen convolutions of 3x3, each with a normalization and a ReLU.

    Args:
        shape: height, width, channels. A side that has come down to 1 is not
            halved again.
        classes: number of outputs; they are logits.
        divisor: what the widths are divided by.
    """
    x = inputs = keras.Input(shape)
    for block, (depth, width) in enumerate(_BLOCKS, 1):
        for place in range(1, depth + 1):
            name = f"{block}_{place}"
            x = _active(_conv(x, width // divisor, 3, f"conv{name}"), name)
        if min(x.shape[1:3]) > 1:
            x = keras.layers.MaxPooling2D(name=f"pool{block}")(x)
    return _classifier(inputs, keras.layers.GlobalAveragePooling2D()(x), classes)


def resnet56(shape: tuple[int, ...], classes: int, divisor: int = 1) -> keras.Model:
    """27 blocks that normalize first; arguments and result are those of `vgg16`."""
    inputs = keras.Input(shape)
    x = _conv(inputs, _WIDTHS[0] // divisor, 3, "stem")
    for stage, width in enumerate(_WIDTHS, 1):
        for place in range(1, _DEPTH + 1):
            stride = 2 if stage > 1 and place == 1 else 1
            x = _block(x, width // divisor, stride, f"{stage}_{place}")
    x = keras.layers.GlobalAveragePooling2D()(_active(x, "last"))
    return _classifier(inputs, x, classes)


def _block(x: Any, width: int, stride: int, name: str) -> Any:
    before = _active(x, f"{name}a")
    # Where the width changes the shortcut reads what is normalized already.
    short = x if stride == 1 else _conv(before, width, 1, f"short{name}", stride)
    y = _active(_conv(before, width, 3, f"conv{name}a", stride), f"{name}b")
    y = _conv(y, width, 3, f"conv{name}b")
    return keras.layers.Add(name=f"add{name}")([short, y])


def _conv(x: Any, width: int, side: int, name: str, stride: int = 1) -> Any:
    return keras.layers.Conv2D(
        width, side, stride, "same", use_bias=False, name=name,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(DECAY),
    )(x)  # fmt: skip


def _active(x: Any, name: str) -> Any:
    norm = keras.layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_regularizer=keras.regularizers.L2(DECAY),
        name=f"norm{name}",
    )
    return keras.layers.ReLU(name=f"relu{name}")(norm(x))


def _classifier(inputs: Any, x: Any, classes: int) -> keras.Model:
    logits = keras.layers.Dense(
        classes, kernel_initializer="he_normal", name="logits",
        kernel_regularizer=keras.regularizers.L2(DECAY),
    )  # fmt: skip
    return keras.Model(inputs, logits(x))


BUILDERS = {VGG_16: vgg16, RESNET_56: resnet56}
