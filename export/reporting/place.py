"""Where a report may be written; told before anything takes time."""

import os
from pathlib import Path

from keras_diffmask.errors import ArtifactError

SUFFIXES = (".html", ".md", ".json")


def suffix_of(path: Path) -> str:
    """The ending, in small letters."""
    return path.suffix.lower()


def check_place(path: str | os.PathLike[str], force: bool) -> Path:
    """Refuses a path at which a report cannot or may not be written.

    Args:
        path: a name that ends in .html, .md or .json.
        force: an existing file may be replaced.

    Returns:
        `path` as a `Path`.

    Raises:
        ArtifactError: another ending, no directory, or an existing file.
    """
    place = Path(path)
    if suffix_of(place) not in SUFFIXES:
        raise ArtifactError(
            f"a report whose name ends in {', '.join(SUFFIXES)}",
            f"{str(place)!r}",
            "Call it for example 'report.html'.",
        )
    if place.is_dir() or not place.parent.is_dir():
        raise ArtifactError(
            "a file in an existing directory",
            f"{str(place)!r}",
            "Create the directory, or choose another path.",
        )
    if place.exists() and not force:
        raise ArtifactError(
            "a file that does not exist yet",
            f"{str(place)!r}, which does",
            "Choose another name, or replace it with force=True (in a shell, --force).",
        )
    return place
