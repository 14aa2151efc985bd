"""Files and folders written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from keras_diffmask.errors import ArtifactError


def write_atomically(path: str | os.PathLike, write: Callable[[Path], object]) -> Path:
    """Lets `write` fill a temporary neighbour of `path`, then renames it.

    The neighbour has the same suffix (Keras reads the format from it) and lies
    in the same directory: a rename is atomic only within one file system.

    Args:
        path: the file to make or to replace.
        write: called with the temporary path; what it leaves there becomes
            `path`.

    Returns:
        `path` as a `Path`.

    Raises:
        ArtifactError: the file cannot be written there. An older file of that
            name is untouched then, and nothing new is left behind.
    """
    path = Path(path)
    scratch = None
    try:
        # A directory rather than a file: made private, and `write` decides the
        # permissions of the file itself as an ordinary `open` would.
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        neighbour = scratch / path.name
        write(neighbour)
        os.replace(neighbour, path)
    except OSError as error:
        raise ArtifactError(
            "a path that can be written",
            f"{str(path)!r} ({error.strerror or error})",
            "Choose a file name in an existing directory you may write to.",
        ) from error
    finally:
        if scratch is not None:
            for leftover in scratch.iterdir():
                leftover.unlink()
            scratch.rmdir()
    return path


def write_folder_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Lets `write` fill a new folder, which then takes the place of `path`.

    Args:
        path: the folder to make or to replace.
        write: called with an empty folder in the same directory; what it leaves
            there becomes `path`.

    Returns:
        `path`. Where `write` or the file system fails, or someone interrupts, an
        older folder of that name is as it was, and nothing new is left behind.
    """
    parent = path.absolute().parent
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=parent))
    try:
        made, old = scratch / "made", scratch / "old"
        # Not mkdtemp's own folder, which nobody else may read.
        made.mkdir()
        write(made)
        try:
            if path.exists():
                os.rename(path, old)
            os.rename(made, path)
        except BaseException:
            # Ctrl-C too: between the two renames there is no folder at all.
            if old.exists() and not path.exists():
                os.rename(old, path)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return path
