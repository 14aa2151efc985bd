"""Reading and writing files with the shell's words in the errors."""

import argparse
import os
from pathlib import Path
from typing import Any

from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export.cli.console import Console


def start_keras() -> None:
    """Imports Keras and this library, so that its layers can be read."""
    try:
        import keras  # noqa: F401

        import keras_diffmask.masking
        import keras_diffmask.regularizers  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "Keras and its backend to be installed",
            f"{type(error).__name__}: {error}",
            "Install them with `pip install 'keras-diffmask[tflite]'`.",
        ) from error


def read_model(path: str, unsafe: bool, console: Console) -> Any:
    """Reads a `.keras` file, showing progress.

    Args:
        path: the file.
        unsafe: also run Python code that the file carries.
        console: where progress goes.

    Returns:
        The Keras model.

    Raises:
        ArtifactError: see `export.load_model`.
    """
    if not Path(path).is_file():
        raise ArtifactError(
            "an existing .keras file", f"{path!r}, which is no file", "Check the path."
        )
    with console.phase(f"reading {path}") as advance:
        start_keras()
        from keras_diffmask.export.model_io import load_model

        try:
            model = load_model(path, safe_mode=not unsafe)
        except ArtifactError as error:
            if "safe_mode" not in error.next_step:
                raise
            raise ArtifactError(
                error.expected,
                error.received,
                "If you trust its author, run this again with --unsafe.",
            ) from error
        advance(model.name)
    return model


def check_dataset(name: str | None) -> None:
    """Refuses a name that no data set has.

    Raises:
        InvalidArgumentError: with those that there are.
    """
    from keras_diffmask.export.demo.datasets import check_name

    check_name(name)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Declares the option without which no command replaces a file."""
    parser.add_argument(
        "--force", action="store_true", help="replace the output where it exists"
    )


def check_output(output: str, suffix: str, *inputs: str | None, force: bool) -> Path:
    """Refuses an output that cannot work before anything takes time.

    Args:
        output: the file to write.
        suffix: how its name must end.
        inputs: files that are read and must not be replaced.
        force: whether an existing file may be replaced.

    Returns:
        `output` as a path.

    Raises:
        ArtifactError: another suffix, an input's own path, a directory, no
            directory to write in, or an existing file without `force`.
    """
    path = Path(output)
    if path.suffix != suffix:
        raise ArtifactError(
            f"an output whose name ends in {suffix}",
            f"{output!r}",
            f"Call it {path.with_suffix(suffix).name!r}." if path.name else "Name it.",
        )
    for given in inputs:
        if given is not None and path.resolve() == Path(given).resolve():
            raise ArtifactError(
                "an output other than the input", f"{output!r} for both", "Rename it."
            )
    if path.is_dir() or not path.parent.is_dir():
        raise ArtifactError(
            "an output file in an existing directory",
            f"{output!r}",
            "Create the directory, or choose another path.",
        )
    if not os.access(path.parent, os.W_OK):
        raise ArtifactError(
            "a directory that can be written",
            f"{str(path.parent)!r}",
            "Choose another one, or change its permissions.",
        )
    if path.exists() and not force:
        raise ArtifactError(
            "the name of a new file",
            f"{output!r}, which exists",
            "Choose another name, or replace it with --force.",
        )
    return path


def read_lines(path: str) -> list[str]:
    """The lines of a text file, without those that are empty at its end.

    Raises:
        ArtifactError: it can't be read, or is no text.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().rstrip().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise ArtifactError(
            "a text file with one line per class",
            f"{path!r} ({reason})",
            "Write the names of the classes, one per line, in the model's order.",
        ) from error


def named_by_stem(files: list[str]) -> dict[str, str]:
    """Files by short names where they differ, by paths where they do not.

    Raises:
        InvalidArgumentError: a file stands there twice.
    """
    stems = [Path(file).stem for file in files]
    names = stems if len(set(stems)) == len(stems) else files
    if len(set(names)) != len(names):
        raise InvalidArgumentError(
            "different .tflite files",
            f"{max(files, key=files.count)!r} twice",
            "Name each once.",
        )
    return dict(zip(names, files, strict=True))
