"""Learned ranges are enough for a file wherever a normalization stands."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export

X = np.random.default_rng(0).normal(size=(128, 6, 6, 2)).astype("float32")
Y = np.arange(128) % 3


def _conv(activation: str | None = None, **more: Any) -> layers.Layer:
    return layers.Conv2D(4, 3, padding="same", activation=activation, **more)


def _norm() -> layers.Layer:
    return layers.BatchNormalization()


def _set_norms(model: keras.Model) -> None:
    """Both signs, offsets, and a channel that is all offset."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.gamma.assign(np.resize([1.5, -0.5, 0.0, 2.0], layer.gamma.shape))
            layer.beta.assign(np.resize([0.5, 0.1, 0.7, -0.3], layer.beta.shape))


def _image(h: Any) -> Any:
    # Not a mean, whose rounding is not the simulation's to the last bit.
    return layers.Dense(3)(layers.GlobalMaxPooling2D()(h))


def _sequence(x: Any) -> Any:
    h = layers.Conv1D(4, 3, activation="relu")(layers.Reshape((6, 12))(x))
    return layers.Dense(3)(layers.GlobalMaxPooling1D()(_norm()(h)))


def _shared(x: Any) -> Any:
    conv, norm, after = _conv("relu"), _norm(), _conv("relu")
    branches = [after(norm(conv(h))) for h in (x, layers.MaxPooling2D(1)(x))]
    return _image(layers.Concatenate()(branches))


def _folded_once(x: Any) -> Any:
    """A normalization that is part of a kernel in one of its two calls."""
    norm = _norm()
    return _image(layers.Add()([norm(_conv()(x)), norm(_conv("relu")(x))]))


ORDERS: dict[str, Callable[[Any], Any]] = {
    "norm first": lambda x: _image(_conv("relu")(_conv("relu")(_norm()(x)))),
    "conv, ReLU, norm": lambda x: _image(_conv()(_norm()(_conv("relu")(x)))),
    "conv, norm, ReLU": lambda x: _image(layers.ReLU()(_norm()(_conv()(x)))),
    "norm, conv, norm": lambda x: _image(_norm()(_conv()(_norm()(x)))),
    "Add, norm": lambda x: _image(_norm()(layers.Add()([_conv()(x), _conv()(x)]))),
    "Concatenate, norm": lambda x: _image(
        _norm()(layers.Concatenate()([_conv()(x), _conv("relu")(x)]))
    ),
    "norm, Dense": lambda x: layers.Dense(3)(
        _norm()(layers.Dense(8, "relu")(layers.Flatten()(x)))
    ),
    "pool, norm, ReLU": lambda x: _image(
        layers.ReLU()(_norm()(layers.MaxPooling2D()(_conv("relu")(x))))
    ),
    "norm last": lambda x: _norm()(layers.Dense(3, "relu")(layers.Flatten()(x))),
    "norm of a sequence": _sequence,
    "scaled first": lambda x: _image(_conv("relu")(layers.Rescaling(0.5, 0.25)(x))),
    "normalized first": lambda x: _image(_conv("relu")(
        layers.Normalization(mean=[0.5, -1.0], variance=[4.0, 0.25])(x)
    )),
    "shared": _shared,
    "shared, folded once": _folded_once,
}  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_a_normalization_needs_no_calibration_wherever_it_stands(order: str) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 6, 2))
    model = keras.Model(x, ORDERS[order](x))
    _set_norms(model)
    model = kd.quantize_model(model)
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(X, Y, epochs=2, verbose=0)
    artifact = export.to_tflite(model, target="cortex-m")
    assert not {"QUANTIZE", "DEQUANTIZE", "MUL"} & {*artifact.ops}
    fresh = np.random.default_rng(8).normal(size=(100, 6, 6, 2)).astype("float32")
    found = artifact.run(fresh, reference_kernels=True)
    apart = np.abs(found - model.predict(fresh, verbose=0))
    steps = np.rint(apart / artifact.outputs[0].scale)
    # What two kernels round apart the Dense behind them may add up.
    assert np.mean(steps == 0) >= 0.99 and steps.max() <= 1


def test_a_normalization_by_itself_is_what_was_simulated() -> None:
    x = keras.Input((6, 6, 4))
    model = keras.Model(x, _norm()(x))
    _set_norms(model)
    model = kd.quantize_model(model)
    data = np.random.default_rng(1).normal(size=(64, 6, 6, 4)).astype("float32")
    model(data, training=True)  # the ranges; gamma stays at exactly 0
    artifact = export.to_tflite(model, target="cortex-m")
    assert artifact.ops == ("DEPTHWISE_CONV_2D",)
    apart = artifact.run(data, reference_kernels=True) - model.predict(data, verbose=0)
    steps = np.rint(np.abs(apart) / artifact.outputs[0].scale)
    assert np.mean(steps == 0) >= 0.98 and steps.max() <= 1
