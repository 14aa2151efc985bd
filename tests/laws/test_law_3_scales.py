"""Law 3 for scales: what units share one with are the units that stay."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from tests.laws import alive

SEQUENCE, TOKENS = (6, 8), (6,)
_PER_TENSOR = kd.quantizers.Quantization(weight_bits=4, per_channel_dense=False)

#: Name -> a model whose kernels have one scale for units that go and that stay.
SHARED: dict[str, Callable[[], keras.Model]] = {}


def shared(build: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
    SHARED[build.__name__] = build
    return build


@shared
def dense_before_norm() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = layers.BatchNormalization()(layers.Dense(10)(inputs))
    return keras.Model(inputs, layers.Dense(3)(layers.ReLU()(x)))


@shared
def dense_with_sigmoid() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    return keras.Model(inputs, layers.Dense(3)(layers.Dense(10, "sigmoid")(inputs)))


@shared
def einsum_before_norm() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = layers.Dense(10, "relu")(inputs)
    x = layers.EinsumDense("abc,cd->abd", (None, 12), bias_axes="d")(x)
    x = layers.EinsumDense("...c,dc->...d", 9)(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(3)(layers.ReLU()(x)))


@shared
def self_attention() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = layers.Dense(10, "relu")(inputs)
    return keras.Model(inputs, layers.Dense(3)(layers.MultiHeadAttention(4, 3)(x, x)))


@shared
def attention_of_three() -> keras.Model:
    """The key is what the query is, and the value something else."""
    inputs = keras.Input(SEQUENCE)
    x, y = layers.Dense(10, "relu")(inputs), layers.Dense(12, "relu")(inputs)
    z = layers.MultiHeadAttention(4, 3)(x, key=x, value=y)
    z = layers.Activation("tanh")(layers.BatchNormalization()(z))
    return keras.Model(inputs, layers.Dense(3)(z))


@shared
def attention_of_a_value() -> keras.Model:
    """The value is the key as well, and nothing tells the query."""
    inputs = keras.Input(SEQUENCE)
    x = layers.Dense(12, "relu")(inputs)
    return keras.Model(
        inputs, layers.Dense(3)(layers.MultiHeadAttention(4, 3)(inputs, x))
    )


@shared
def embedding_before_norm() -> keras.Model:
    inputs = keras.Input(TOKENS)
    x = layers.BatchNormalization()(layers.Embedding(16, 8)(inputs))
    return keras.Model(inputs, layers.Dense(3)(x))


def _inputs(model: keras.Model) -> np.ndarray:
    rng, shape = np.random.default_rng(0), model.input_shape[1:]
    if len(shape) == 1:
        return rng.integers(0, 16, (24, *shape)).astype("float32")
    return rng.normal(size=(24, *shape)).astype("float32")


def _make_largest(model: keras.Model) -> None:
    """The weights that go are the largest, of which every scale would be."""
    for gate in kd.gates(model):
        gate.set_keep(np.arange(gate.units) >= gate.units // 2)
    for layer in model.layers:
        for weight in layer.trainable_weights:
            value = alive.array(weight)
            if value.ndim < 2 or "logit" in weight.path:
                continue
            for axis, size in enumerate(value.shape):
                half = [1] * value.ndim
                half[axis] = size
                closed = np.arange(size).reshape(half) < size // 2
                value = np.where(closed, 1.5 * value, value)
            weight.assign(value)


@pytest.mark.parametrize("name", SHARED)
def test_all_that_is_closed_goes_and_no_integer_changes(name: str) -> None:
    keras.utils.set_random_seed(2)
    stock = SHARED[name]()
    model, x = kd.mask_model(stock, quantization=_PER_TENSOR), _inputs(stock)
    _make_largest(model)
    model(x, training=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Closed channels stay")
        slim = export.strip(model, keep_quantizers=True)
    expected = alive.run(model, x)
    assert alive.distance(expected, alive.run(slim, x)) <= 1e-6
    plain = {layer.name: layer for layer in export.strip(model).layers}
    kept = [layer for layer in slim.layers if layer.name in plain]
    assert all(one.output.shape == plain[one.name].output.shape for one in kept)
    with kd.quantizers.switched_off(model):
        assert alive.distance(expected, alive.run(model, x)) > 1e-3


def _by_hand(quantizer: Any) -> keras.Model:
    """The second kernel is not told what the gate of the first one closes."""
    inputs = keras.Input((8,))
    h = kd.layers.MaskedDense(6, "relu", quantizer=quantizer, name="first")(inputs)
    more = {"quantizer": quantizer, "estimator": None}
    outputs = kd.layers.MaskedDense(3, name="second", **more)(h)
    return keras.Model(inputs, outputs)


def test_what_a_scale_hangs_on_stays_and_is_named() -> None:
    model = _by_hand("int4")
    kernel = model.get_layer("second").kernel
    kernel.assign(np.arange(18, 0, -1).reshape(6, 3) / 18)
    kd.gates(model)[0].set_keep(np.arange(6) >= 2)
    with pytest.warns(
        UserWarning, match="Closed channels stay in the strip around sec"
    ):
        slim = export.strip(model, keep_quantizers=True)
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-6
    assert slim.get_layer("first").units == 6
    assert export.strip(model).get_layer("first").units == 4


def test_what_no_scale_hangs_on_goes() -> None:
    model = _by_hand("int4")
    kernel = model.get_layer("second").kernel
    kernel.assign(np.arange(18).reshape(6, 3) / 18)
    kd.gates(model)[0].set_keep(np.arange(6) >= 2)
    slim = export.strip(model, keep_quantizers=True)
    assert slim.get_layer("first").units == 4
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-6


def test_a_stripped_model_trains_on_where_channels_stayed() -> None:
    model = _by_hand("int4")
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    model.compile("adam", "mse")
    model.fit(x, x[:, :3], epochs=2, verbose=0)
    model.get_layer("second").kernel.assign(np.arange(18, 0, -1).reshape(6, 3) / 18)
    kd.gates(model)[0].set_keep(np.arange(6) >= 2)
    with pytest.warns(UserWarning, match="Closed channels stay"):
        slim = export.strip(model, keep_quantizers=True)
    with pytest.warns(UserWarning, match="Closed channels stay"):
        optimizer = export.carry_optimizer(model, slim)
    assert int(optimizer.iterations) == 2


def test_scores_of_closed_heads_stay_where_they_are_seen() -> None:
    inputs = keras.Input(SEQUENCE)
    layer = kd.layers.MaskedMultiHeadAttention(4, 3, quantizer="int4")
    model = keras.Model(inputs, layer(inputs, inputs, return_attention_scores=True))
    (gate,) = kd.gates(model)
    gate.set_keep(np.arange(4) >= 2)
    x = np.random.default_rng(0).normal(size=(4, *SEQUENCE)).astype("float32")
    slim = export.strip(model, keep_quantizers=True)
    for expected, found in zip(alive.run(model, x), alive.run(slim, x), strict=True):
        np.testing.assert_allclose(expected, found, atol=1e-6)
