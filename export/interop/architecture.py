"""The architecture that a Keras 2 file names, read before any of it is run."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from keras_diffmask.errors import ArtifactError, UnsupportedModelError
from keras_diffmask.export.interop.settings import (
    LAYERS,
    MODELS,
    PRUNING,
    translated,
)

_TUPLE = "__tuple__"
#: Where what a configuration names may come from.
_MODULES = ("keras", "tf_keras", "tensorflow_model_optimization")
#: Functions that a configuration carries in pickled form.
_CODE = ("__lambda__", "function")
#: Written beside `saved_model.pb` where the SavedModel holds a Keras model.
_METADATA = "keras_metadata.pb"
# There, tuples are dictionaries.
_METADATA_JSON = json.JSONDecoder(
    object_hook=lambda one: one["items"] if one.get("class_name") == _TUPLE else one
)


def architecture(path: Path) -> dict[str, Any]:
    """The class and configuration of the model in a file or SavedModel.

    Args:
        path: an `.h5` or `.keras` file, or the folder of a SavedModel.

    Returns:
        `{"class_name": ..., "config": ...}`, pruning wrappers included.

    Raises:
        ArtifactError: there is nothing, or no Keras 2 model in it.
    """
    if path.is_dir():
        found = _of_saved_model(path)
    elif not path.is_file():
        raise _no_model(path, "no file and no folder")
    elif zipfile.is_zipfile(path):
        found = _of_keras_file(path)
    elif h5py.is_hdf5(path):
        found = _of_hdf5(path)
    else:
        raise _no_model(path, "neither a zip archive nor HDF5")
    if found.get("class_name") not in MODELS:
        kind = found.get("class_name")
        raise UnsupportedModelError(
            "a Sequential or Functional Keras 2 model",
            f"{str(path)!r} with one of class {kind!r}",
            "Rebuild it with the Functional API of tf_keras and save it again.",
        )
    return found


def require_known_layers(model: dict[str, Any]) -> None:
    """Refuse layers that are not the same in Keras 2 and 3, before any code runs.

    Raises:
        UnsupportedModelError: naming the layer, and its class or setting.
    """
    _require_no_code(model)
    for layer in _layers(model):
        kind = layer["class_name"].rpartition(">")[2]
        if kind not in LAYERS:
            name = layer["config"].get("name") or layer.get("name", "?")
            raise UnsupportedModelError(
                "a Keras 2 model of standard layers",
                f"layer {name!r} of class {kind!r}",
                "Replace it by standard layers in tf_keras and save the model again, "
                "or rebuild the model in Keras 3 and copy its weights.",
            )
        if kind not in (PRUNING, "InputLayer"):
            translated(layer)


def _require_no_code(part: Any) -> None:
    """Refuse modules that Keras 2 would import on loading, and pickled functions."""
    if isinstance(part, list):
        for one in part:
            _require_no_code(one)
    if not isinstance(part, dict):
        return
    module = part.get("module") or "keras"
    is_code = part.get("class_name") in _CODE
    if is_code or str(module).split(".")[0] not in _MODULES:
        raise UnsupportedModelError(
            f"a Keras 2 model of nothing but {', '.join(_MODULES)}",
            f"{part.get('class_name')!r} of module {module!r}",
            "Replace it by something of Keras' own and save the model again.",
        )
    for one in part.values():
        _require_no_code(one)


def vocabulary(model: dict[str, Any]) -> int:
    """How many different integers every Embedding in the model takes; 0: none."""
    sizes = [
        layer["config"]["input_dim"]
        for layer in _layers(model)
        if layer["class_name"] == "Embedding"
    ]
    return min(sizes, default=0)


def _layers(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every layer at every depth, inside of models and of wrappers too."""
    for layer in model["config"]["layers"]:
        if layer["class_name"] in MODELS:
            yield from _layers(layer)
            continue
        # Those inside come first: what is wrong with one is its own.
        nested = [layer]
        while "layer" in nested[0]["config"]:
            nested.insert(0, nested[0]["config"]["layer"])
        yield from nested


def _of_keras_file(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read("metadata.json"))
            found = json.loads(archive.read("config.json"))
    except Exception as error:  # also of zlib, and what zipfile takes for unknown to it
        raise _no_model(path, "no .keras archive") from error
    _require_keras_2(path, about.get("keras_version"))
    return found


def _of_hdf5(path: Path) -> dict[str, Any]:
    try:
        with h5py.File(path) as file:
            found = file.attrs.get("model_config")
            version = file.attrs.get("keras_version")
    except OSError as error:
        raise _no_model(path, str(error).splitlines()[0]) from error
    if found is None:
        raise ArtifactError(
            "a file that holds a whole Keras 2 model",
            f"{str(path)!r}, which holds weights alone",
            "Save it with model.save(), not with save_weights().",
        )
    _require_keras_2(path, version)
    try:
        return json.loads(found)
    except ValueError as error:
        raise _no_model(path, "a configuration that is no JSON") from error


def _of_saved_model(path: Path) -> dict[str, Any]:
    try:
        text = (path / _METADATA).read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise ArtifactError(
            "the folder of a SavedModel that holds a Keras 2 model",
            f"{str(path)!r} without {_METADATA}",
            "Save it with model.save(), not with tf.saved_model.save() or export().",
        ) from error
    # A message per object, each with its configuration as a line of JSON: the
    # model's own comes first.
    start = text.find('{"')
    while start >= 0:
        try:
            found, _ = _METADATA_JSON.raw_decode(text, start)
        except ValueError:
            found = {}
        if "class_name" in found and "config" in found:
            return found
        start = text.find('{"', start + 1)
    raise _no_model(path, f"no model in its {_METADATA}")


def _require_keras_2(path: Path, version: Any) -> None:
    if isinstance(version, bytes):
        version = version.decode()
    if str(version or "2").startswith("3"):
        raise ArtifactError(
            "a model saved by Keras 2 (tf_keras), which tfmot prunes",
            f"{str(path)!r}, saved by Keras {version}",
            "Read it with export.load_model, and mask it with kd.mask_model.",
        )


def _no_model(path: Path, what: str) -> ArtifactError:
    return ArtifactError(
        "an .h5 or .keras file, or a SavedModel, with a Keras 2 model",
        f"{str(path)!r} ({what})",
        "Save the model with model.save('pruned.h5') under tf_keras.",
    )
