"""Models drawn at random, in the shapes that people put on microcontrollers.

Of two parts: convolutions and LSTMs, and what got its rows later (`sequences`).
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export

Random = np.random.Generator


def _conv(rng: Random, x: Any, filters: int, kernel: int = 3, **more: Any) -> Any:
    """A convolution, mostly with a BatchNormalization, and a ReLU."""
    normed = rng.random() < 0.7
    more = {"padding": "same", "use_bias": not normed, **more}
    x = layers.Conv2D(filters, kernel, **more)(x)
    x = layers.BatchNormalization()(x) if normed else x
    return layers.ReLU()(x)


def _width(rng: Random, low: int = 8, high: int = 40) -> int:
    return int(rng.integers(low, high))


def _image(rng: Random) -> Any:
    size = int(rng.choice([16, 20, 24, 28, 32]))
    return keras.Input((size, size, int(rng.choice([1, 3]))))


def _head(rng: Random, x: Any) -> Any:
    x = layers.GlobalAveragePooling2D()(x)
    if rng.random() < 0.5:
        x = layers.Dense(_width(rng), activation="relu")(x)
    return layers.Dense(int(rng.integers(2, 12)))(x)


def plain(rng: Random) -> keras.Model:
    """Convolutions and poolings, then Flatten and Dense."""
    x = inputs = _image(rng)
    for _ in range(int(rng.integers(2, 4))):
        x = layers.MaxPooling2D()(_conv(rng, x, _width(rng)))
    x = layers.Dense(_width(rng), activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(int(rng.integers(2, 12)))(x))


def residual(rng: Random) -> keras.Model:
    """A ResNet, some shortcuts with a projection."""
    inputs = _image(rng)
    x = _conv(rng, inputs, width := _width(rng))
    for _ in range(int(rng.integers(2, 5))):
        stride = int(rng.choice([1, 2]))
        width = width if stride == 1 else _width(rng, 12, 48)
        y = _conv(rng, x, width, strides=stride)
        y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(y))
        if stride > 1:
            x = layers.Conv2D(width, 1, strides=stride)(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(inputs, _head(rng, x))


def mobile(rng: Random) -> keras.Model:
    """Inverted residuals, as MobileNetV2 has them."""
    inputs = _image(rng)
    x = layers.Conv2D(
        width := _width(rng, 8, 20), 3, 2, padding="same", use_bias=False
    )(inputs)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    for _ in range(int(rng.integers(2, 5))):
        stride = int(rng.choice([1, 1, 2]))
        y = layers.Conv2D(int(rng.integers(2, 5)) * width, 1, use_bias=False)(x)
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(y)
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        out = width if stride == 1 else _width(rng, 12, 32)
        y = layers.BatchNormalization()(layers.Conv2D(out, 1, use_bias=False)(y))
        x = layers.Add()([x, y]) if stride == 1 else y
        width = out
    return keras.Model(inputs, _head(rng, x))


def joined(rng: Random) -> keras.Model:
    """Ways of several kinds that a Concatenate joins."""
    inputs = _image(rng)
    x = layers.MaxPooling2D()(_conv(rng, inputs, _width(rng)))
    for _ in range(int(rng.integers(1, 3))):
        ways = [_conv(rng, x, _width(rng, 6, 16), 1)]
        ways.append(_conv(rng, _conv(rng, x, _width(rng, 6, 16), 1), _width(rng)))
        pooled = layers.AveragePooling2D(3, 1, padding="same")(x)
        ways.append(_conv(rng, pooled, _width(rng, 6, 16), 1))
        x = layers.Concatenate()(ways)
    return keras.Model(inputs, _head(rng, x))


def separable(rng: Random) -> keras.Model:
    """A keyword spotter: a wide first kernel, then depthwise and pointwise."""
    inputs = keras.Input((int(rng.integers(24, 50)), int(rng.integers(8, 14)), 1))
    x = _conv(rng, inputs, width := _width(rng, 16, 64), (10, 4), strides=2)
    for _ in range(int(rng.integers(2, 5))):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = _conv(rng, x, width, 1)
    return keras.Model(inputs, _head(rng, x))


def stacked_lstm(rng: Random) -> keras.Model:
    """LSTMs on top of each other."""
    inputs = keras.Input((int(rng.integers(10, 60)), int(rng.integers(4, 24))))
    x = inputs
    for _ in range(int(rng.integers(1, 3))):
        x = layers.LSTM(_width(rng, 16, 72), return_sequences=True)(x)
    x = layers.LSTM(_width(rng, 16, 72))(x)
    if rng.random() < 0.5:
        x = layers.Dense(_width(rng), activation="relu")(x)
    return keras.Model(inputs, layers.Dense(int(rng.integers(2, 12)))(x))


def conv_lstm(rng: Random) -> keras.Model:
    """Convolutions over time, then an LSTM."""
    inputs = keras.Input((int(rng.integers(40, 120)), int(rng.integers(3, 12))))
    x = inputs
    for _ in range(int(rng.integers(1, 3))):
        x = layers.Conv1D(_width(rng), 5, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.MaxPooling1D()(x)
    x = layers.LSTM(_width(rng, 16, 64))(x)
    return keras.Model(inputs, layers.Dense(int(rng.integers(2, 12)))(x))


def one_dimensional(rng: Random) -> keras.Model:
    """A residual net over time."""
    inputs = keras.Input((int(rng.integers(60, 200)), int(rng.integers(1, 10))))
    width = _width(rng)
    x = layers.Conv1D(width, 7, 2, padding="same", activation="relu")(inputs)
    for _ in range(int(rng.integers(1, 4))):
        y = layers.Conv1D(_width(rng), 3, padding="same", activation="relu")(x)
        x = layers.Add()([x, layers.Conv1D(width, 3, padding="same")(y)])
    x = layers.GlobalAveragePooling1D()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(int(rng.integers(2, 12)))(x))


def lstm_per_step(rng: Random) -> keras.Model:
    """A Dense at every step, between two LSTMs."""
    inputs = keras.Input((int(rng.integers(10, 50)), int(rng.integers(4, 24))))
    x = layers.LSTM(_width(rng, 16, 72), return_sequences=True)(inputs)
    x = layers.Dense(_width(rng), activation="relu")(x)
    x = layers.LSTM(_width(rng, 16, 72))(x)
    return keras.Model(inputs, layers.Dense(int(rng.integers(2, 12)))(x))


#: One model of each is drawn: ten kinds, four of them recurrent.
KINDS: tuple[Callable[[Random], keras.Model], ...] = (
    plain,
    residual,
    mobile,
    joined,
    separable,
    one_dimensional,
    stacked_lstm,
    conv_lstm,
    lstm_per_step,
    lambda rng: residual(rng) if rng.random() < 0.5 else stacked_lstm(rng),
)


def draw(
    index: int,
    seed: int,
    kinds: tuple[Callable[[Random], keras.Model], ...] = KINDS,
) -> tuple[str, keras.Model, keras.Model]:
    """A kind's name, a dense model, and what a random decision leaves of it."""
    rng = np.random.default_rng([seed, index])
    keras.utils.set_random_seed(seed + index)
    keras.utils.clear_session(free_memory=False)
    kind = kinds[index]
    model = kind(rng)
    for weight in model.weights:
        # A bias that is 0 has no tensor in the file; a trained one is not 0.
        if weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(rng.normal(0, 0.2, weight.shape))
        elif weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.6, 1.5, weight.shape))
    masked = kd.mask_model(model)
    for gate in kd.gates(masked):
        share = rng.uniform(0.25, 0.95)
        keep = rng.random(gate.units) < share
        if gate.min_keep or rng.random() < 0.8:
            keep[rng.integers(gate.units)] = True
        else:
            keep[:] = False
        gate.set_keep(keep)
    name = kind.__name__ if kind.__name__ != "<lambda>" else "one of these"
    return name, model, export.strip(masked)
