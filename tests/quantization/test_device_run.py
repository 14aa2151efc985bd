"""Every kind of layer whose rounding is simulated, against the file's own integers."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from tests.laws.masked_cases import array

tf = pytest.importorskip("tensorflow")
export = pytest.importorskip("keras_diffmask.export")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the converter needs TensorFlow"
)

IMAGE = (8, 8, 6)
Case = Callable[[Any], Any]


def _conv(filters: int = 8, size: int = 3, **more: Any) -> layers.Layer:
    more = {"padding": "same", "bias_initializer": "random_normal", **more}
    return layers.Conv2D(filters, size, **more)


def _sequence(x: Any) -> Any:
    return layers.Reshape((16, 24))(x)


#: What is asked -> the layers behind an image. The last is what is compared.
CASES: dict[str, Case] = {
    "Conv2D": lambda x: _conv()(x),
    "Conv2D, strides": lambda x: _conv(strides=2)(x),
    "Conv2D, ReLU": lambda x: layers.ReLU()(_conv()(x)),
    "Conv2D with ReLU6": lambda x: _conv(activation="relu6")(x),
    "Conv2D, norm": lambda x: layers.BatchNormalization()(_conv()(x)),
    "Conv2D, norm, ReLU": lambda x: layers.ReLU()(
        layers.BatchNormalization()(_conv(use_bias=False)(x))
    ),
    "Conv2D, norm without gamma": lambda x: layers.BatchNormalization(scale=False)(
        _conv()(x)
    ),
    "two Conv2D": lambda x: _conv(16, activation="relu")(_conv(activation="relu")(x)),
    "DepthwiseConv2D": lambda x: layers.DepthwiseConv2D(
        3, depth_multiplier=2, bias_initializer="random_normal"
    )(x),
    "SeparableConv2D": lambda x: layers.SeparableConv2D(9, 3)(x),
    "Conv2DTranspose": lambda x: layers.Conv2DTranspose(
        5, 2, strides=2, bias_initializer="random_normal"
    )(x),
    "Conv1D": lambda x: layers.Conv1D(7, 3, activation="relu")(_sequence(x)),
    "DepthwiseConv1D": lambda x: layers.DepthwiseConv1D(3)(_sequence(x)),
    "Dense": lambda x: layers.Dense(9, bias_initializer="random_normal")(
        layers.Flatten()(x)
    ),
    "Dense on an image": lambda x: layers.Dense(9, activation="relu")(x),
    "a lone norm": lambda x: layers.BatchNormalization()(layers.MaxPooling2D(2)(x)),
    "a lone norm, ReLU": lambda x: layers.ReLU()(
        layers.BatchNormalization()(layers.MaxPooling2D(2)(x))
    ),
    "scaled, ReLU": lambda x: layers.ReLU()(layers.Rescaling(-2.0, 0.1)(x)),
    "AveragePooling2D": lambda x: layers.AveragePooling2D(2)(x),
    "AveragePooling2D, padded": lambda x: layers.AveragePooling2D(
        3, strides=2, padding="same"
    )(x),
    "AveragePooling1D": lambda x: layers.AveragePooling1D(4)(_sequence(x)),
    "GlobalAveragePooling2D": lambda x: layers.GlobalAveragePooling2D()(x),
    "GlobalAveragePooling1D": lambda x: layers.GlobalAveragePooling1D()(_sequence(x)),
    "mean": lambda x: keras.ops.mean(x, axis=(1, 2), keepdims=True),
    "Multiply": lambda x: layers.Multiply()([x, _conv(6)(x)]),
    "gated": lambda x: layers.Multiply()(
        [x, layers.Reshape((1, 1, 6))(
            layers.Dense(6, activation="relu")(layers.GlobalAveragePooling2D()(x))
        )]
    ),
    "Add": lambda x: layers.Add()([x, _conv(6)(x)]),
    "Concatenate of kernels": lambda x: layers.Concatenate()(
        [_conv(4)(x), _conv(5, activation="relu")(x)]
    ),
    "Concatenate with the input": lambda x: layers.Concatenate()([_conv(4)(x), x]),
    "Concatenate of rows": lambda x: layers.Concatenate(axis=1)([_conv(4)(x)] * 2),
    "MaxPooling2D, Conv2D": lambda x: _conv()(layers.MaxPooling2D()(x)),
    "padded": lambda x: _conv(padding="valid")(layers.ZeroPadding2D()(x)),
}  # fmt: skip


def _trained(make: Case, bits: str) -> tuple[keras.Model, np.ndarray]:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(IMAGE)
    plain = keras.Model(inputs, make(inputs))
    rng = np.random.default_rng(1)
    for layer in plain.layers:
        if isinstance(layer, layers.BatchNormalization):
            shapes = [tuple(weight.shape) for weight in layer.weights]
            values = [rng.uniform(0.3, 1.7, shape) for shape in shapes]
            layer.set_weights([values[0] * [-1] + 0.1, *values[1:]])
    model = kd.quantize_model(plain, bits)
    x = rng.normal(size=(64, *IMAGE)).astype("float32")
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((64, *model.output_shape[1:])), epochs=1, verbose=0)
    return model, x


def _steps(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """How far the file's integers are from the model's."""
    artifact = export.to_tflite(model)
    found = artifact.run(x, reference_kernels=True)
    expected = model.predict(x, verbose=0)
    return np.rint(np.abs(found - expected) / artifact.outputs[0].scale)


@pytest.mark.parametrize("name", CASES)
def test_the_model_has_the_integers_of_the_file(name: str) -> None:
    steps = _steps(*_trained(CASES[name], "int8"))
    assert np.mean(steps == 0) >= 0.999 and steps.max() <= 1


@pytest.mark.parametrize("name", ["Conv2D, norm, ReLU", "two Conv2D", "Dense"])
def test_so_it_has_with_kernels_of_4_bits(name: str) -> None:
    """Their biases too are rounded once."""
    steps = _steps(*_trained(CASES[name], "int4"))
    assert np.mean(steps == 0) >= 0.999 and steps.max() <= 1


def test_training_rounds_once_to_the_nearest() -> None:
    """What a model without this arithmetic computes."""
    model, x = _trained(CASES["two Conv2D"], "int8")
    plain = keras.Model(model.input, model.output)
    device, nearest = (array(one(x, training=False)) for one in (model, plain))
    step = float(array(model.layers[-1].step()))
    apart = np.abs(device - nearest) / step
    assert 0.5 < apart.max() < 2.5  # it is seen to differ
    before, training = model.get_weights(), []
    for one in (model, plain):
        model.set_weights(before)  # ranges move in training
        training.append(array(one(x, training=True)))
    np.testing.assert_array_equal(*training)
