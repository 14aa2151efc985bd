"""Model files of every kind that the command line may be given."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_diffmask import gates, mask_model
from keras_diffmask.export.cli import main

Run = Callable[..., tuple[int, str, str]]


def plain_model() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(6, 3, padding="same", name="conv")(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x), name="tiny")


@keras.saving.register_keras_serializable("tests_cli")
class Subclassed(keras.Model):
    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2)

    def call(self, inputs: object) -> object:
        return self.dense(inputs)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, calibration data and things that are neither."""
    folder = tmp_path_factory.mktemp("models")
    model = plain_model()
    model.save(folder / "plain.keras")
    masked = mask_model(model)
    gates(masked)[0].set_keep(np.array([True, False, True, False, False, False]))
    masked.save(folder / "masked.keras")
    model.get_layer("conv").kernel.assign(np.full((3, 3, 1, 6), np.nan))
    model.save(folder / "nan.keras")
    inputs = keras.Input((4,))
    outputs = keras.layers.Lambda(lambda x: x + 1, name="code")(inputs)
    keras.Model(inputs, keras.layers.Dense(2)(outputs)).save(folder / "lambda.keras")
    hidden = Subclassed(name="hidden")
    hidden(np.zeros((1, 4), "float32"))
    hidden.save(folder / "subclassed.keras")
    (folder / "text.keras").write_text("not a model")
    (folder / "text.tflite").write_text("not a model")
    generator = np.random.default_rng(0)
    np.save(folder / "x.npy", generator.random((40, 8, 8, 1), np.float32))
    np.save(folder / "wrong.npy", generator.random((40, 8, 8), np.float32))
    np.save(folder / "empty.npy", np.zeros((0, 8, 8, 1), np.float32))
    np.save(folder / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    (folder / "text.npy").write_text("not an array")
    np.savez_compressed(folder / "damaged.npz", x=generator.random((40, 8, 8, 1)))
    damaged = bytearray((folder / "damaged.npz").read_bytes())
    damaged[200] ^= 0xFF  # in the compressed part, of which zlib complains
    (folder / "damaged.npz").write_bytes(damaged)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: (status, stdout, stderr)."""

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def run_json(run: Run) -> Callable[..., dict]:
    """Runs a command that succeeds with --json, and reads its stdout."""

    def call(*words: object) -> dict:
        status, out, err = run(*words, "--json")
        assert status == 0, err
        return json.load(io.StringIO(out))

    return call


@pytest.fixture(scope="session")
def shell() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m keras_diffmask` with some words."""

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "keras_diffmask", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    return call
