"""A layer for each operator: the same function, and the names that users know."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.quantization import split_operators
from tests.laws.masked_cases import array

X = np.random.default_rng(0).normal(size=(4, 9, 9, 3)).astype("float32")


def _image_model(**more: object) -> keras.Model:
    x = keras.Input((9, 9, 3))
    given = {"strides": 2, "padding": "same", "depth_multiplier": 2, **more}
    h = layers.SeparableConv2D(6, 3, name="separable", **given)(x)
    return keras.Model(x, layers.Dense(4, "softmax", name="head")(layers.Flatten()(h)))


def _kinds(model: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers[1:]]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"use_bias": False, "activation": "relu"},
        {"activation": "sigmoid"},
        {"strides": 1, "dilation_rate": 2},
        {"padding": "valid", "depth_multiplier": 1},
    ],
    ids=str,
)
def test_separable_convolutions_are_two_of_the_same_function(more: dict) -> None:
    model = _image_model(**more)
    result = split_operators(model).model
    np.testing.assert_allclose(array(result(X)), array(model(X)), atol=1e-6)
    first, second, *_ = result.layers[1:]
    assert (type(first), first.name) == (layers.DepthwiseConv2D, "separable_depthwise")
    assert (type(second), second.name) == (layers.Conv2D, "separable")
    assert _kinds(model) == ["SeparableConv2D", "Flatten", "Dense"]


def test_sequences_and_layers_that_are_called_twice() -> None:
    x, y = keras.Input((7, 3)), keras.Input((7, 3))
    both = layers.SeparableConv1D(5, 3, activation="tanh")
    model = keras.Model([x, y], layers.Subtract()([both(x), both(y)]))
    result = split_operators(model).model
    assert _kinds(result).count("DepthwiseConv1D") == 1
    assert len(result.weights) == len(model.weights)
    sequences = [X[:, 0, :7], X[:, 1, :7]]
    np.testing.assert_allclose(
        array(result(sequences)), array(model(sequences)), atol=1e-6
    )


def test_settings_of_weights_go_with_them() -> None:
    model = _image_model(
        depthwise_regularizer="l1",
        pointwise_regularizer="l2",
        pointwise_constraint="non_neg",
        bias_regularizer="l1",
        activity_regularizer="l2",
    )
    model.get_layer("separable").trainable = False
    result = split_operators(model).model
    first, second = (
        result.get_layer(name) for name in ("separable_depthwise", "separable")
    )
    assert isinstance(first.depthwise_regularizer, keras.regularizers.L1)
    assert isinstance(second.kernel_regularizer, keras.regularizers.L2)
    assert isinstance(second.kernel_constraint, keras.constraints.NonNeg)
    assert isinstance(second.bias_regularizer, keras.regularizers.L1)
    assert isinstance(second.activity_regularizer, keras.regularizers.L2)
    assert first.activity_regularizer is None
    assert not first.trainable and not second.trainable


def test_nothing_to_split_is_the_same_object() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, "relu")])
    assert split_operators(model).model is model


@pytest.mark.parametrize(
    "wanted",
    [
        "separable",
        layers.SeparableConv2D,
        lambda layer: "Separable" in str(type(layer)),
    ],
    ids=["name", "class", "function"],
)
def test_layers_are_chosen_as_the_user_wrote_them(wanted: object) -> None:
    masked = kd.mask_model(_image_model(), include=wanted, quantization="int8")
    (gate,) = kd.gates(masked)
    assert gate.units == 6
    gate.set_keep(np.arange(6) % 2 == 0)
    slim = export.strip(masked)
    assert slim.get_layer("separable").filters == 3
    with kd.quantizers.switched_off(masked):
        found = array(masked(X, training=False))
        np.testing.assert_allclose(array(slim(X)), found, atol=1e-5)


@pytest.mark.parametrize("level", ["channel", "weight"])
def test_what_is_left_alone_is_so_in_all_of_its_parts(level: str) -> None:
    x = keras.Input((9, 9, 3))
    h = layers.Conv2D(4, 3, name="first")(x)
    h = layers.SeparableConv2D(6, 3, depth_multiplier=2, name="separable")(h)
    model = keras.Model(x, layers.Dense(4, name="head")(layers.Flatten()(h)))
    masked = kd.mask_model(
        model, exclude=layers.SeparableConv2D, granularity=level, quantization="int8"
    )
    assert not any("separable" in gate.name for gate in kd.gates(masked))
    assert any("first" in gate.name for gate in kd.gates(masked))
