"""Reads and writes `.keras` files with clear errors."""

import os
import zipfile
from pathlib import Path
from typing import Any

import keras

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import ArtifactError


def load_model(path: str | os.PathLike, safe_mode: bool = True) -> Any:
    """Reads a `.keras` file.

    Args:
        path: the file.
        safe_mode: refuse a file that carries Python code (a Lambda layer).
            Turn it off only for files whose author you trust.

    Returns:
        The Keras model.

    Raises:
        ArtifactError: the file is missing, is not a `.keras` file, carries
            code, or cannot be rebuilt.

    Example:

    ```python
    model = export.load_model("slim.keras")
    ```
    """
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(
            "an existing .keras file",
            f"{str(path)!r}, which is no file",
            "Check the path.",
        )
    if not _is_keras_zip(path):
        raise ArtifactError(
            "a .keras file (a zip archive with config.json)",
            f"{str(path)!r}, which is none",
            "Save the model with model.save('name.keras') under Keras 3.",
        )
    try:
        return keras.saving.load_model(path, safe_mode=safe_mode)
    except Exception as error:  # Keras raises whatever the broken part raises
        if safe_mode and "safe_mode" in str(error):
            raise ArtifactError(
                "a .keras file without Python code",
                f"{str(path)!r}, which holds a Lambda layer",
                "If you trust its author, load it with safe_mode=False.",
            ) from error
        raise ArtifactError(
            "a .keras file that Keras can rebuild",
            f"{str(path)!r} ({_first_line(error)})",
            "Import the module that defines its custom layers first, or save "
            "the model again.",
        ) from error


def save_model(model: Any, path: str | os.PathLike) -> Path:
    """Writes a model to a `.keras` file, whole or not at all.

    Args:
        model: a Keras model.
        path: where to; must end in `.keras`. An existing file is replaced.

    Returns:
        `path` as a `Path`.

    Raises:
        ArtifactError: the name does not end in `.keras`, or the path cannot be
            written.

    Example:

    ```python
    export.save_model(slim, "slim.keras")
    ```
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ArtifactError(
            "a file name that ends in .keras",
            f"{str(path)!r}",
            f"Call it {path.with_suffix('.keras').name!r}.",
        )
    return write_atomically(path, model.save)


def _is_keras_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    except Exception:  # also of damage that zipfile takes for what it lacks
        return False


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {shorten(text[0]) if text else 'no message'}"


def shorten(text: str, limit: int = 300) -> str:
    """Cuts `text` to `limit` characters, so that an error stays one sentence."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
