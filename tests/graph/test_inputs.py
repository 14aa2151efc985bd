"""What a model's inputs are beside a shape, and stay in every copy of it."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from tests.laws import alive


def _attention() -> keras.Model:
    inputs = keras.Input((6, 8))
    allowed = keras.Input((6, 6), dtype="bool", optional=True, name="allowed")
    h = layers.Dense(8, "relu", name="hidden")(inputs)
    h = layers.MultiHeadAttention(2, 4)(h, h, attention_mask=allowed)
    return keras.Model([inputs, allowed], layers.Dense(3)(h))


def test_what_the_model_may_be_called_without_stays_optional() -> None:
    x = np.random.default_rng(0).normal(size=(4, 6, 8)).astype("float32")
    allowed = np.tril(np.ones((4, 6, 6), bool))
    model = alive.enliven(_attention(), [x, allowed])
    masked = kd.mask_model(model)
    gate = next(one for one in kd.gates(masked) if one.name == "hidden_gate")
    gate.set_keep(np.arange(8) >= 3)
    slim = export.strip(masked)
    assert slim.get_layer("hidden").units == 5
    for given in ([x, allowed], [x, None]):
        wanted = alive.run(masked, given)
        assert alive.distance(wanted, alive.run(slim, given)) <= 1e-5
    with pytest.raises(ValueError, match="not optional"):
        slim([None, allowed])


@pytest.mark.skipif(
    not alive.TENSORFLOW, reason="sparse tensors are made differently by each backend"
)
def test_sparse_inputs_stay_sparse() -> None:
    import tensorflow as tf

    inputs = keras.Input((9,), sparse=True)
    h = layers.Dense(8, "relu", name="hidden")(inputs)
    masked = kd.mask_model(keras.Model(inputs, layers.Dense(3)(h)))
    kd.gates(masked)[0].set_keep(np.arange(8) >= 3)
    slim = export.strip(masked)
    assert masked.inputs[0].sparse and slim.inputs[0].sparse
    dense = np.random.default_rng(0).normal(size=(5, 9)).astype("float32")
    x = tf.sparse.from_dense(dense * (dense > 0))
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5
