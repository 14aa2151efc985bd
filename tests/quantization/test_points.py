"""Where tensors are rounded: once per operator of the .tflite file, no more."""

import keras
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask.quantization import kinds
from keras_diffmask.quantization.points import find_points


def _found(inputs: object, outputs: object) -> dict[str, list[str]]:
    """Key (numbered) -> names of what is rounded with it, "!" where observed."""
    points = find_points(keras.Model(inputs, outputs))
    groups: dict[int, list[str]] = {}
    for point in points.values():
        mark = "=" if point.fixed else "!" if point.observe else ""
        groups.setdefault(point.key, []).append(point.name + mark)
    return {str(n): names for n, names in enumerate(groups.values())}


@pytest.fixture
def image() -> object:
    return keras.Input((8, 8, 3), name="x")


def _conv(name: str, **more: object) -> layers.Layer:
    return layers.Conv2D(4, 3, padding="same", name=name, **more)


def test_kernel_normalization_and_relu_are_one(image: object) -> None:
    h = layers.BatchNormalization(name="norm")(_conv("conv")(image))
    h = layers.ReLU(6.0, name="relu")(h)
    assert _found(image, h) == {"0": ["x!"], "1": ["relu!"]}


def test_a_relu_in_the_kernel_ends_it(image: object) -> None:
    h = layers.BatchNormalization(name="norm")(_conv("conv", activation="relu")(image))
    assert [*_found(image, h).values()] == [["x!"], ["conv!"], ["norm!"]]


def test_what_is_read_twice_has_integers_of_its_own(image: object) -> None:
    h = _conv("conv")(image)
    outputs = [layers.ReLU(name="relu")(h), layers.Flatten()(h)]
    assert _found(image, outputs) == {"0": ["x!"], "1": ["conv!"], "2": ["relu!"]}


def test_an_output_in_the_middle_has_integers_of_its_own(image: object) -> None:
    h = _conv("conv")(image)
    assert "conv!" in _found(image, [h, layers.ReLU()(h)])["1"]


def test_a_sum_and_its_relu_are_one(image: object) -> None:
    h = _conv("a")(image)
    h = layers.ReLU(name="relu")(layers.Add(name="add")([h, _conv("b")(h)]))
    found = _found(image, h)
    assert [*found.values()] == [["x!"], ["a!"], ["b!"], ["relu!"]]


def test_pooling_and_reshapes_have_the_integers_of_what_they_read(
    image: object,
) -> None:
    h = layers.ZeroPadding2D()(layers.MaxPooling2D()(_conv("a")(image)))
    h = layers.Dropout(0.5)(layers.Flatten()(h))
    h = layers.Dense(3, name="dense")(h)
    assert [*_found(image, h).values()] == [["x!"], ["a!"], ["dense!"]]


def test_an_average_is_rounded_on_the_scale_of_what_it_reads(image: object) -> None:
    h = layers.AveragePooling2D(2, name="mean")(_conv("a")(image))
    assert [*_found(image, h).values()] == [["x!"], ["a!", "mean"]]


def test_a_concatenation_has_one_range_for_all_that_it_joins(image: object) -> None:
    a, b = _conv("a")(image), _conv("b")(image)
    h = _conv("c")(layers.Concatenate(name="both")([a, b]))
    # a and b are read by nothing else: to round them there is to round them twice.
    assert [*_found(image, h).values()] == [["x!"], ["both!"], ["c!"]]


def test_what_is_joined_and_read_elsewhere_takes_the_joint_range(
    image: object,
) -> None:
    a = _conv("a")(image)
    b = _conv("b")(a)
    first = layers.Concatenate(name="first")([a, b])
    c = _conv("c")(first)
    last = layers.Concatenate(name="last")([first, c])
    found = _found(image, layers.Flatten()(last))
    # The last concatenation sees all that the others see.
    assert [*found.values()] == [["x!"], ["a", "first", "last!"]]


def test_softmax_has_the_range_of_the_specification(image: object) -> None:
    h = layers.Dense(3, name="dense")(layers.Flatten()(image))
    h = layers.Softmax(name="softmax")(h)
    assert [*_found(image, h).values()] == [["x!"], ["dense!"], ["softmax="]]


def test_recurrent_layers_get_their_ranges_from_calibration() -> None:
    x = keras.Input((8, 3), name="x")
    h = layers.Conv1D(4, 3, name="conv", activation="relu")(x)
    h = layers.MaxPooling1D()(h)
    h = layers.LSTM(5)(h)
    h = layers.Dense(3, name="dense")(h)
    assert [*_found(x, h).values()] == [["x!"], ["dense!"]]


def test_indices_are_no_reals() -> None:
    x = keras.Input((8,), dtype="int32", name="x")
    h = layers.Embedding(10, 4)(x)
    h = layers.Dense(3, name="dense")(layers.Flatten()(h))
    assert [*_found(x, h).values()] == [["dense!"]]


def test_gates_are_no_data(image: object) -> None:
    h = layers.ReLU(name="relu")(layers.BatchNormalization()(_conv("a")(image)))
    h = layers.Dense(3, name="dense")(layers.GlobalAveragePooling2D(name="mean")(h))
    masked = kd.mask_model(keras.Model(image, h), budget=kd.Budget(macs=0.5))
    names = [point.name for point in find_points(masked).values()]
    assert names == ["x", "relu", "mean", "dense"]


def test_what_stays_in_floats_is_named() -> None:
    x = keras.Input((5, 4))
    h = layers.TimeDistributed(layers.Dense(3), name="each_step")(x)
    with pytest.warns(UserWarning, match="The weights of each_step are not rounded"):
        kd.quantize_model(keras.Model(x, layers.Flatten()(h)))


def test_activations_with_an_operator_are_taken_out_of_kernels() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, "softmax", name="dense")]
    )
    quantized = kd.quantize_model(model)
    names = [layer.name for layer in quantized.layers[2:]]
    assert names == [
        "dense",
        "dense_range",
        "dense_activation",
        "dense_activation_range",
    ]
    assert kinds.activation_of(quantized.get_layer("dense")) == "linear"
