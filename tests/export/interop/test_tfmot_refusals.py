"""Files that are refused before Keras 2 is started; it need not be installed."""

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import (
    ArtifactError,
    MissingDependencyError,
    UnsupportedModelError,
)
from keras_diffmask.export.interop.assemble import assembled
from keras_diffmask.export.interop.settings import LAYERS

_INPUT = {
    "class_name": "InputLayer",
    "config": {"name": "x", "dtype": "float32", "batch_input_shape": [None, 4]},
}


def layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": "odd", "dtype": "float32", **config}}


def dense(**config: Any) -> dict[str, Any]:
    return layer("Dense", **{"units": 3, "activation": "linear", **config})


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    config = {"name": "net", "layers": [_INPUT, *layers]}
    return {"class_name": "Sequential", "config": config}


def write(path: Path, model: dict[str, Any], version: str = "2.15.0") -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        file.attrs["keras_version"] = version
    return path


POLICY = {"class_name": "Policy", "config": {"name": "mixed_float16"}}


@pytest.mark.parametrize(
    ("odd", "sentence"),
    [
        (layer("Lambda", function="code"), "'odd' of class 'Lambda'"),
        (layer("Custom>MyLayer"), "'odd' of class 'MyLayer'"),
        (layer("TFOpLambda", function="math.add"), "of class 'TFOpLambda'"),
        (dense(activation="hard_sigmoid"), "activation='hard_sigmoid'"),
        (dense(activation={"class_name": "Mine", "config": {}}), "activation='Mine'"),
        (dense(dtype=POLICY), "dtype 'mixed_float16'"),
        (dense(dtype="float64"), "dtype 'float64'"),
        (
            dense(kernel_regularizer={"class_name": "Mine", "config": {}}),
            "kernel_regularizer='Mine'",
        ),
        (layer("LSTM", units=3, stateful=True), "stateful=True"),
        (layer("LSTM", units=3, time_major=True), "time_major=True"),
        (layer("DepthwiseConv2D", kernel_size=[3, 3], groups=2), "groups=2"),
        (layer("BatchNormalization", axis=[1, 2]), r"axis=\[1, 2\]"),
        (layer("Dense", units=-1), r"layer 'odd' \("),
        (layer("PruneLowMagnitude", layer=layer("Mine")), "of class 'Mine'"),
        (layer("Bidirectional", layer=layer("ConvLSTM1D")), "'ConvLSTM1D'"),
        (layer("TimeDistributed", layer=sequential(dense())), "'Sequential'"),
    ],
)
def test_what_keras_3_has_no_equal_for(
    tmp_path: Path, odd: dict[str, Any], sentence: str
) -> None:
    for at, model in (("flat", sequential(odd)), ("deep", sequential(sequential(odd)))):
        path = write(tmp_path / f"{at}.h5", model)
        with pytest.raises(UnsupportedModelError, match=sentence):
            export.from_tfmot(path)


@pytest.mark.parametrize(
    "initializer",
    [
        {"module": "subprocess", "class_name": "Popen", "config": {"args": "true"}},
        {"class_name": "__lambda__", "config": {"value": ["4wAA"]}},
    ],
)
def test_code_in_a_configuration_never_reaches_keras_2(
    tmp_path: Path, initializer: dict[str, Any]
) -> None:
    odd = dense(kernel_initializer=initializer)
    path = write(tmp_path / "code.h5", sequential(odd))
    with pytest.raises(UnsupportedModelError, match=initializer["class_name"]):
        export.from_tfmot(path)


def test_a_subclassed_model(tmp_path: Path) -> None:
    path = write(tmp_path / "own.h5", {"class_name": "MyModel", "config": {}})
    with pytest.raises(UnsupportedModelError, match="of class 'MyModel'"):
        export.from_tfmot(path)


def test_files_that_are_no_keras_2_model(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no model")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "b")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["kernel"] = np.zeros(3)
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "keras_metadata.pb").write_bytes(b'\x08 {"a": 1} {')
    for name, sentence in {
        "missing.h5": "no file and no folder",
        "text.h5": "neither a zip archive nor HDF5",
        "other.zip": "no .keras archive",
        "weights.h5": "which holds weights alone",
        "folder": "without keras_metadata.pb",
        "empty": "no model in its keras_metadata.pb",
    }.items():
        with pytest.raises(ArtifactError, match=sentence):
            export.from_tfmot(tmp_path / name)


def test_a_file_of_keras_3(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    for name in ("new.keras", "new.h5"):
        model.save(tmp_path / name)
        with pytest.raises(ArtifactError, match="saved by Keras 3"):
            export.from_tfmot(tmp_path / name)


def test_without_tfmot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "plain.h5", sequential(dense()))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"keras-diffmask\[tfmot\]"):
        export.from_tfmot(path)


def test_every_layer_is_one_of_keras_3() -> None:
    assert [name for name in sorted(LAYERS) if not hasattr(keras.layers, name)] == [
        "PruneLowMagnitude"
    ]


def test_call_arguments_and_missing_weights() -> None:
    call = [["x", 0, 0, {"initial_state": ["x", 0, 0]}]]
    config = {
        "name": "net",
        "layers": [
            {**_INPUT, "inbound_nodes": []},
            {**dense(), "inbound_nodes": [call]},
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["odd", 0, 0]],
    }
    with pytest.raises(UnsupportedModelError, match="call argument 'initial_state'"):
        assembled({"class_name": "Functional", "config": config}, {})
    with pytest.raises(UnsupportedModelError, match="for layer 'odd'"):
        assembled(sequential(dense()), {"odd/0": np.zeros((4, 2))})
