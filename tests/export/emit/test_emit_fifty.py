"""Fifty conversions in a row: no memory kept, no file left behind."""

import gc
import os
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_diffmask import export

pytestmark = pytest.mark.long
CONVERSIONS, SETTLED = 50, 10
# What one conversion takes in the parent, were it kept: the model's file, its
# calibration data and the result are some 3 MB together.
ALLOWED = 20e6


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells")
def test_fifty_conversions_leave_nothing(private_tmp):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((64, 64, 3))
    h = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    h = keras.layers.Dense(10)(keras.layers.Flatten()(h))
    model = keras.Model(inputs, h)
    x = np.random.default_rng(1).random((64, 64, 64, 3), np.float32)
    sizes, first = [], None
    for number in range(CONVERSIONS):
        artifact = export.to_tflite(model, "int8", calibration=x, labels=["a"] * 10)
        first = first or artifact.content
        assert artifact.content == first
        assert not list(private_tmp.iterdir())
        gc.collect()
        if number >= SETTLED:
            sizes.append((resident(), open_files()))
    grown = sizes[-1][0] - sizes[0][0]
    print(f"{CONVERSIONS} conversions: {grown / 1e6:+.1f} MB resident since the 10th")
    assert grown < ALLOWED
    assert sizes[-1][1] <= sizes[0][1]
