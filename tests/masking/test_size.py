"""Gates are vectors: they hardly add to a model's size."""

import keras
import numpy as np

import keras_diffmask as kd


def _bytes(model: keras.Model) -> int:
    return sum(
        np.dtype(keras.backend.standardize_dtype(v.dtype)).itemsize
        * int(np.prod(v.shape))
        for v in model.variables
    )


def test_masked_model_is_at_most_a_fiftieth_larger() -> None:
    plain = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.5, weights=None, classes=10
    )
    masked = kd.mask_model(plain, budget=kd.Budget(macs=0.5))
    assert _bytes(masked) <= 1.02 * _bytes(plain)
