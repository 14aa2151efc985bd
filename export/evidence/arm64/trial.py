"""One network on emulated cores."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.emulation import count_instructions
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.evidence.tiny.trial import stripped
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, recalibrate

_CALIBRATION = 64


def separable(width: int) -> keras.Model:
    """A convolution and three depthwise separable ones, all of one width.

    Example:
        >>> separable(16).output_shape
        (None, 10)
    """
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(width, 3, padding="same", activation="relu")(inputs)
    for _ in range(3):
        x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = layers.Conv2D(width, 1, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x), name=f"separable_{width}")


#: One layer each, and the input that it is asked with.
OPERATORS: dict[str, tuple[tuple[int, ...], Callable[[], keras.layers.Layer]]] = {
    "Conv2D 3x3": ((8, 8, 8), lambda: keras.layers.Conv2D(16, 3)),
    "Conv2D 1x1": ((8, 8, 8), lambda: keras.layers.Conv2D(16, 1)),
    "DepthwiseConv2D": ((8, 8, 16), lambda: keras.layers.DepthwiseConv2D(3)),
    "GlobalAveragePooling2D": (
        (8, 8, 16),
        lambda: keras.layers.GlobalAveragePooling2D(),
    ),
    "Dense": ((64,), lambda: keras.layers.Dense(10)),
}


def operator(name: str) -> keras.Model:
    """A network of one layer of `OPERATORS`.

    Example:
        >>> operator("Dense").output_shape
        (None, 10)
    """
    shape, layer = OPERATORS[name]
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer()(inputs), name="one_layer")


def counts_of(
    network: Callable[[], keras.Model],
    share: float | None,
    quantization: str,
    cores: Sequence[str],
    kernels: Sequence[str],
    examples: int,
    repeats: int,
) -> Figures:
    """Builds, strips, converts, and counts.

    Args:
        network: makes the dense network.
        share: of the MACs that are left; None for the dense network.
        quantization: `"int8"` or `"float32"`.
        cores: to emulate.
        kernels: whose answers are compared; the instructions of the first are kept.
        examples: random inputs whose answers are compared.
        repeats: how many times the instructions are counted.

    Returns:
        The figures, as plain data.
    """
    clock = Clock()
    keras.utils.set_random_seed(0)
    model = network() if share is None else stripped(network(), share)
    x = np.random.default_rng(0).standard_normal(
        (_CALIBRATION, *model.input_shape[1:]), "float32"
    )
    model = recalibrate(model, x, batch_size=_CALIBRATION)
    file = to_tflite(
        model, None if quantization == "float32" else quantization, calibration=x
    )
    files = {"model": file.content}
    first = count_instructions(files, cores, kernels, examples)
    again = [
        # With as many examples: what was allocated before is part of a count.
        count_instructions(files, cores, kernels[:1], examples)
        for _ in range(repeats - 1)
    ]
    return {
        "macs": plan(model).macs[0],
        "file_bytes": file.nbytes,
        "instructions": {
            core: [one.count("model", core, kernels[0]).instructions
                   for one in (first, *again)]
            for core in cores
        },
        "answers": {
            kind: _agreement([first.count("model", core, kind) for core in cores])
            for kind in kernels
        },
        "seconds": clock.seconds(),
    }  # fmt: skip


def _agreement(counts: Sequence) -> Figures:
    return {
        "differing": sum(one.differing for one in counts),
        "values": sum(one.values for one in counts),
        "relative": max(one.relative for one in counts),
    }
