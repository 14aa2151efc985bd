"""Two small models, one of them narrower, their files, and a benchmark of them."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export

layers = keras.layers


def build() -> keras.Model:
    keras.utils.set_random_seed(4)
    inputs = keras.Input((8, 8, 2), name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="stem")(inputs)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", name="depth")(x)
    x = layers.Conv2D(24, 1, activation="relu", name="point")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(5, name="head")(x), name="small")


@pytest.fixture(scope="session")
def masked() -> keras.Model:
    made = kd.mask_model(build())
    for gate in kd.gates(made):
        gate.set_keep(np.arange(gate.units) % 4 == 0)
    return made


@pytest.fixture(scope="session")
def pair(masked: keras.Model) -> list[export.Artifact]:
    x = np.random.default_rng(0).normal(size=(40, 8, 8, 2)).astype("float32")
    more = {"calibration": x, "target": "cortex-m"}
    return [
        export.to_tflite(build(), "int8", name="dense", **more),
        export.to_tflite(export.strip(masked), "int8", name="pruned", **more),
    ]


@pytest.fixture(scope="session")
def timed(pair: list[export.Artifact]) -> object:
    return export.benchmark(pair, rounds=6, seconds=0.05, warmup=2, per_op=True)


@pytest.fixture(scope="session")
def saved(
    pair: list[export.Artifact], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """dense.tflite and pruned.tflite in a folder with a space."""
    folder = tmp_path_factory.mktemp("my models")
    for one in pair:
        one.save(folder / f"{one.name}.tflite")
    return folder
