"""Constants are as fine as the backend has them, and nobody is told off for it."""

import warnings

import keras
import numpy as np

from keras_diffmask.precision import finest


def test_finest_floats_come_in_silence() -> None:
    values = np.array([1.0 + 2.0**-40, 3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = finest(values)
    error = np.abs(keras.ops.convert_to_numpy(tensor) - values).max()
    is_single = keras.backend.standardize_dtype(tensor.dtype) == "float32"
    assert is_single == (keras.backend.backend() == "jax")
    assert error == (2.0**-40 if is_single else 0.0)
