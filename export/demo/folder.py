"""The folder that results go to."""

from pathlib import Path

from keras_diffmask.errors import ArtifactError


def results_folder(out: str) -> Path:
    """The folder of that name, made if it is missing.

    Raises:
        ArtifactError: it cannot be made, or is a file.
    """
    folder = Path(out)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            "a folder for the results that can be made or written",
            f"out={out!r} ({error.strerror or error})",
            "Choose one in an existing directory you may write to.",
        ) from error
    return folder
