"""Packing whole models, and getting their weights back."""

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError


def sparse(shape, kept, seed=0):
    """A kernel each of whose output units keeps so many weights."""
    generator = np.random.default_rng(seed)
    flat = np.zeros((int(np.prod(shape[:-1])), shape[-1]), "float32")
    for unit in range(shape[-1]):
        places = generator.permutation(len(flat))[:kept]
        flat[places, unit] = generator.normal(size=kept)
    return flat.reshape(shape)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(6, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2DTranspose(5, 2, name="up", dtype="bfloat16")(x)
    x = keras.layers.Dense(3, name="head")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x, name="small")
    model.get_layer("conv").kernel.assign(sparse((3, 3, 4, 6), 5))
    up = sparse((2, 2, 6, 5), 3).transpose(0, 1, 3, 2)
    model.get_layer("up").kernel.assign(up)
    return model


def test_sizes_and_weights(model, tmp_path):
    packed = export.pack(model)
    # 36 places: 6 bits. 24 places: 5 bits, and values of 2 bytes.
    assert packed.size["conv/kernel"] == (6 * (5 * 4 + 4), 36 * 6 * 4)
    assert packed.size["up/kernel"] == (5 * (3 * 2 + 2), 24 * 5 * 2)
    assert [one.name for one in packed.left_dense] == ["head/kernel"]
    assert packed.nbytes == sum(small for small, _ in packed.size.values())
    assert packed.dense_nbytes == sum(dense for _, dense in packed.size.values())
    read = export.Packed.load(packed.save(tmp_path / "small.packed"))
    assert read.size == packed.size
    assert str(read) == str(packed)
    assert "Stock TFLite" in str(packed) and "5 of 36" in str(packed)
    back = read.unpack(like=model)
    assert back is not model
    for one, other in zip(back.get_weights(), model.get_weights(), strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype("float32")
    np.testing.assert_array_equal(back(x), model(x))


def test_closed_weights_of_a_masked_model():
    keras.utils.set_random_seed(0)
    masked = keras.Sequential(
        [
            keras.Input((64,)),
            kd.layers.MaskedDense(
                8, estimator="straight_through", granularity="weight", name="dense"
            ),
        ]
    )
    keep = sparse((64, 8), 4) != 0
    kd.gates(masked)[0].set_keep(keep)
    packed = export.pack(masked)
    # A negative weight times a closed gate is no reason to store anything.
    assert packed.size["dense/kernel"] == (8 * (4 * 4 + 3), 64 * 8 * 4)
    kernel = packed.arrays()["dense/kernel"]
    np.testing.assert_array_equal(kernel.view("uint32") != 0, keep)
    np.testing.assert_array_equal(
        packed.unpack(masked).get_layer("dense").kernel, kernel
    )
    again = export.pack(export.strip(masked)).arrays()["dense/kernel"]
    assert again.tobytes() == kernel.tobytes()


def test_models_that_do_not_fit(model):
    packed = export.pack(model)
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")])
    with pytest.raises(InvalidArgumentError, match="'conv/kernel' of .3, 3, 4, 6."):
        packed.unpack(other)
    with pytest.raises(UnsupportedModelError):
        export.pack(keras.Sequential([keras.layers.Dense(2)]))
