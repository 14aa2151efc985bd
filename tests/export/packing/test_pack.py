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


def test_closed_channels_are_to_be_stripped_first():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, "relu")])
    model.add(keras.layers.Dense(2))
    masked = kd.mask_model(model)
    kd.gates(masked)[0].set_keep(np.arange(6) < 2)
    with pytest.warns(UserWarning, match=r"4 channels .*Pack export.strip\(model\)"):
        export.pack(masked)


def test_models_that_do_not_fit(model):
    packed = export.pack(model)
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")])
    with pytest.raises(InvalidArgumentError, match="'conv/kernel' of .3, 3, 4, 6."):
        packed.unpack(other)
    with pytest.raises(UnsupportedModelError):
        export.pack(keras.Sequential([keras.layers.Dense(2)]))


# Layer, granularity, TopK's arguments, and what a row of the gate is.
TOP_K = {
    "inputs": ("dense", "weight", {"k": 5}, "5 of 24"),
    "tiles": ("dense", "weight", {"k": 2, "tiles": 3}, "2 of 8"),
    "tiles of one input": ("dense", "weight", {"k": 1, "tiles": 24}, "1 of 1"),
    "patches": ("conv", "weight", {"k": 7}, "7 of 72"),
    "tiled patches": ("conv", "weight", {"k": 3, "tiles": 4}, "3 of 18"),
    "positions": ("conv", "weight", {"k": 2, "axes": (0, 1)}, "2 of 9"),
    "filters": ("conv", "weight", {"k": 1, "axes": (-1,)}, "1 of 6"),
    "kernels": ("conv", "kernel", {"k": 3}, "3 of 8"),
    "tiled kernels": ("conv", "kernel", {"k": 1, "tiles": 2}, "1 of 4"),
    "transposed": ("up", "weight", {"k": 6}, "6 of 32"),
    "transposed kernels": ("up", "kernel", {"k": 3}, "3 of 8"),
}


def top_k_layer(kind, granularity, arguments):
    estimator = kd.estimators.TopK(**arguments)
    settings = {"estimator": estimator, "granularity": granularity, "name": kind}
    if kind == "dense":
        shape, layer = (24,), kd.layers.MaskedDense(6, **settings)
    elif kind == "conv":
        shape, layer = (5, 5, 8), kd.layers.MaskedConv2D(6, 3, **settings)
    else:
        shape, layer = (5, 5, 8), kd.layers.MaskedConv2DTranspose(6, 2, **settings)
    return shape, layer


@pytest.mark.parametrize("case", TOP_K, ids=TOP_K)
def test_the_rows_of_a_top_k(case, tmp_path):
    kind, granularity, arguments, k_of_n = TOP_K[case]
    keras.utils.set_random_seed(1)
    shape, layer = top_k_layer(kind, granularity, arguments)
    model = keras.Sequential([keras.Input(shape), layer])
    keep = np.broadcast_to(layer.gate.keep, layer.kernel.shape)
    kernel = np.random.default_rng(2).normal(size=keep.shape).astype("float32")
    # Some that are kept are 0, and the sign of a 0 is a bit as well.
    kept = np.argwhere(keep)
    kernel[tuple(kept[0])], kernel[tuple(kept[1])] = 0.0, -0.0
    layer.kernel.assign(kernel)
    packed = export.Packed.load(export.pack(model).save(tmp_path / "a.packed"))
    tensor = packed.tensors[0]
    assert f"{tensor.kept} of {tensor.layout.length}" == k_of_n
    expected = np.where(keep, kernel, np.float32(0))
    assert packed.arrays()[tensor.name].tobytes() == expected.tobytes()
    if tensor.is_packed:
        # Places of kept weights are stored, whatever their values are.
        marked = np.ones_like(tensor.values)
        stored = type(tensor)(
            tensor.name, tensor.shape, tensor.layout, tensor.kept, marked, tensor.places
        )
        np.testing.assert_array_equal(stored.array() != 0, keep)
        rows = layer.gate.rows.count
        assert tensor.values.shape[:2] == (rows, tensor.kept)
    else:
        assert case == "tiles of one input"


def test_a_top_k_with_everything_open_stays_dense():
    shape, layer = top_k_layer("dense", "weight", {"k": 5})
    model = keras.Sequential([keras.Input(shape), layer])
    layer.gate.set_keep(np.ones((24, 6), bool))
    packed = export.pack(model)
    assert [one.name for one in packed.left_dense] == ["dense/kernel"]
    assert (
        packed.arrays()["dense/kernel"].tobytes()
        == keras.ops.convert_to_numpy(layer.kernel).tobytes()
    )


def test_recurrent_layers_are_packed_by_their_last_axis() -> None:
    inputs = keras.Input((5, 4))
    x = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))(inputs)
    model = keras.Model(inputs, keras.layers.GRU(2)(x))
    packed = export.pack(model)
    assert len(packed.size) == len(model.weights)
