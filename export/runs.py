"""Figures of finished runs, found again by what they are figures of."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import ArtifactError

#: What one run came to: plain data, for JSON.
Figures = dict[str, Any]


class Runs:
    """A folder with one JSON file per finished run.

    A run is known by a hash of what it is about: two commands that ask for the
    same thing share it, and nothing is done twice. What a run writes before it
    is finished lies in a folder of its own beside that file, so that it can go
    on where it was stopped; the folder goes when the run is finished.

    Args:
        folder: where the files are; made if its parent exists.

    Raises:
        ArtifactError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _make(folder)

    def path(self, about: dict[str, Any]) -> Path:
        """The file of a run, whether it is there or not.

        Args:
            about: all that the figures depend on, as plain data.
        """
        text = json.dumps(about, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"

    def once(self, about: dict[str, Any], make: Callable[[Path], Figures]) -> Figures:
        """The figures of a run, from its file if that is there.

        Args:
            about: all that the figures depend on, as plain data.
            make: does the run, if it has to be done. Gets a folder for what
                it needs to go on after an interruption, which may hold what an
                earlier attempt left.

        Returns:
            What `make` returned, now or earlier.

        Raises:
            ArtifactError: a file cannot be read or written.
        """
        path = self.path(about)
        if path.exists():
            return _figures(path)
        unfinished = path.with_suffix(".unfinished")
        _make(unfinished)
        entry = {**about, "figures": make(unfinished)}
        text = json.dumps(entry, indent=1, allow_nan=False) + "\n"
        write_atomically(path, lambda file: file.write_text(text))
        shutil.rmtree(unfinished, ignore_errors=True)
        return _figures(path)


def _figures(path: Path) -> Figures:
    """Read back also right after writing: a second run then sees the same types."""
    try:
        figures: Figures = json.loads(path.read_text())["figures"]
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            "the figures of a finished run",
            f"{str(path)!r}, which cannot be read ({type(error).__name__})",
            "Delete this file; the run is then done again.",
        ) from error
    return figures


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            "a folder for the runs that can be made or written",
            f"{str(folder)!r} ({error.strerror or error})",
            "Choose one in an existing directory you may write to.",
        ) from error
