"""What every picture has in common: a figure of its own, and a file written whole."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import MissingDependencyError

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
    return write_atomically(path, lambda file: file.write_bytes(picture.getvalue()))
