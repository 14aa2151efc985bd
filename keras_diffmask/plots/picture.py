"""What every picture has in common: a figure of its own, and a file written whole."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from keras_diffmask.errors import ArtifactError, MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT = "#22303c", "#71808e"


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, with a canvas.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "matplotlib to be installed",
            "an environment without it",
            "Install it with `pip install matplotlib`.",
        ) from error
    # Not pyplot: it would choose a backend and keep the figure open.
    figure = Figure(figsize=(width, height), dpi=160, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as a PNG file, whole or not at all.

    Raises:
        ArtifactError: the path cannot be written.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", facecolor="white")
    # Drawn in memory first, so a failure leaves no half picture behind.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(picture.getvalue())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ArtifactError(
            "a path that can be written",
            f"path={str(path)!r} ({error.strerror or error})",
            "Choose a file in an existing directory you may write to.",
        ) from error
    return path
