"""Calibration data: every bad kind against its sentence, every good kind read."""

import warnings

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.emit import convert as converting
from keras_diffmask.export.emit.calibration import prepare_calibration

layers = keras.layers


def dense():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="tiny")


def x(*shape):
    return np.ones(shape, "float32")


@pytest.fixture(autouse=True)
def no_conversion(monkeypatch):
    """The conversion itself must not be reached, except where a test says so."""

    def fail(*arguments, **options):
        raise AssertionError("the bad input was let through")

    monkeypatch.setattr(converting, "_convert", fail)


# ----- bad


def generator_of_nothing():
    return iter(())


BAD_CALIBRATION = {
    "none": (None, "calibration=None"),
    "empty": (x(0, 3), "at least one calibration example"),
    "empty generator": (generator_of_nothing(), "at least one calibration example"),
    "wrong size": (x(40, 4), r"shape \(n, 3\) for input .*shape \(40, 4\)"),
    "no batch axis": (x(3), r"shape \(n, 3\) for input .*shape \(3,\)"),
    "labels in their place": (
        np.arange(40),
        r"shape \(n, 3\) .* int64, which look like class labels\. .* not the labels y",
    ),
    "a column of numbers": (x(40), r"shape \(n, 3\) .*received shape \(40,\)\. "),
    "one-hot labels": (np.eye(3, dtype="int64"), "dtype int64.*not labels"),
    "raw bytes": (np.zeros((40, 3), "uint8"), "dtype uint8.*/ 255"),
    "booleans": (np.zeros((40, 3), bool), "dtype bool"),
    "NaN": (np.full((40, 3), np.nan, "float32"), "NaN or infinity"),
    "infinity": (np.full((40, 3), np.inf, "float32"), "NaN or infinity"),
    "x and y": ((x(40, 3), np.arange(40)), r"calibration=x, not \(x, y\)"),
    "a path": ("calibration.npy", "received a str"),
    "a number": (7, "received a int"),
    "wrong key": ({"image": x(40, 3)}, "with the keys"),
    "batches of lists": ([[x(1, 3)]], "every calibration batch to be an array"),
    "batches of wrong size": ([x(4, 3), x(4, 5)], r"shape \(4, 5\)"),
    "batches with NaN": (iter([np.full((4, 3), np.nan, "float32")]), "NaN"),
}


@pytest.mark.parametrize("case", BAD_CALIBRATION)
def test_bad_calibration(case):
    calibration, sentence = BAD_CALIBRATION[case]
    with pytest.raises(InvalidArgumentError, match=sentence):
        export.to_tflite(dense(), "int8", calibration=calibration)


def test_inputs_of_unequal_length():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], layers.Add()([a, b]))
    with pytest.raises(InvalidArgumentError, match=r"same number .*\[40, 41\]"):
        export.to_tflite(model, "int8", calibration={"b": x(41, 3), "a": x(40, 3)})


# ----- good


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):  # never raises IndexError
        return x(8, 3) * index, np.zeros(8)


def endless():
    while True:
        yield x(100, 3), np.zeros(100)


GOOD_CALIBRATION = {
    "array": (lambda: x(40, 3), 40),
    "float64": (lambda: np.ones((40, 3)), 40),
    "tensor": (lambda: keras.ops.ones((40, 3)), 40),
    "list of batches": (lambda: [x(20, 3), x(21, 3)], 41),
    "generator of (x, y)": (lambda: ((x(10, 3), np.zeros(10)) for _ in range(4)), 40),
    "endless generator": (endless, 1024),
    "PyDataset": (Batches, 40),
    "dict": (lambda: {dense_input: x(40, 3)}, 40),
}
dense_input = "input_of_dense"


@pytest.mark.parametrize("case", GOOD_CALIBRATION)
def test_good_calibration(case, recwarn):
    make, count = GOOD_CALIBRATION[case]
    inputs = [keras.Input((3,), name=dense_input)]
    (array,) = prepare_calibration(inputs, make())
    assert array.shape == (count, 3)
    assert array.dtype == "float32"
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


def test_tf_data_is_an_iterable_of_batches():
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((x(40, 3), np.zeros(40))).batch(16)
    (array,) = prepare_calibration([keras.Input((3,))], data)
    assert array.shape == (40, 3)


def test_few_examples_warn():
    with pytest.warns(UserWarning, match="Only 31 calibration examples"):
        prepare_calibration([keras.Input((3,))], x(31, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare_calibration([keras.Input((3,))], x(32, 3))


def test_int8_far_from_keras_warns(monkeypatch):
    agreement = {"samples": 1, "max_error": 1, "rms_error": 1.0, "rms_output": 2.0}
    monkeypatch.setattr(
        converting, "_convert", lambda *a, **k: (b"", {"agreement": agreement})
    )
    monkeypatch.setattr(converting, "finish", lambda content, *rest: content)
    monkeypatch.setattr(
        converting.Artifact, "from_content", classmethod(lambda *a, **k: None)
    )
    with pytest.warns(UserWarning, match="differ from the Keras model's by 50 %"):
        export.to_tflite(dense(), "int8", calibration=x(40, 3))
