"""What every picture has in common: a figure of its own, and a file written whole."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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


def frame(
    figure: "Figure",
    axes: "Axes",
    title: str,
    y: str,
    x: str = "",
    along: Literal["both", "x", "y"] = "both",
) -> None:
    """Give axes their labels, a faint grid and two open sides, and a headline.

    Args:
        figure: what the headline stands on.
        axes: its axes.
        title: the headline.
        y: label of the upright axis.
        x: that of the other; none where its ticks say it all.
        along: which axes the grid's lines are of.
    """
    if x:
        axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.grid(axis=along, color=FAINT, alpha=0.18, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    headline(figure, title, 0.955)


def headline(figure: "Figure", title: str, height: float) -> None:
    """Write the title at the left, its top at so much of the figure's height."""
    figure.text(0.04, height, title, va="top", fontsize=13, weight="bold", color=INK)


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as a PNG file, whole or not at all.

    Raises:
        ArtifactError: the path cannot be written.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", facecolor="white")
    return write_atomically(path, lambda file: file.write_bytes(picture.getvalue()))
