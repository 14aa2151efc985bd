"""Accuracy against what it costs, as a picture."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.plots.picture import FAINT, frame, new_figure, save

# Told apart by shape as well as by colour.
MARKERS = "oDs^vPX*<>ph"
COLOURS = (
    "#1b6ca8", "#c8553d", "#3a7d44", "#8d5a97", "#b8860b", "#2a9d8f", "#6b705c",
    "#d1495b", "#4059ad", "#7f5539",
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One method at one cost.

    Args:
        name: the method.
        cost: what it costs, as a fraction of the dense network's.
        accuracy: mean over the seeds, 0 to 1.
        low: the lowest of the seeds.
        high: the highest of them.
    """

    name: str
    cost: float
    accuracy: float
    low: float
    high: float


def tradeoff_figure(
    points: Sequence[Point], dense: Point, path: str | os.PathLike[str], title: str
) -> Path:
    """Draws accuracy against MACs, as a PNG file.

    One marker per method with a bar from the lowest to the highest seed, and
    the dense network as a line across.

    Args:
        points: the methods.
        dense: the network that was pruned.
        path: the file to write; an existing one is replaced.
        title: the headline.

    Returns:
        The path written.

    Raises:
        InvalidArgumentError: there are no points.
        ArtifactError: the path cannot be written.
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> dense = Point("dense", 1.0, 0.92, 0.91, 0.93)
        >>> small = Point("top_k", 0.3, 0.90, 0.89, 0.91)
        >>> tradeoff_figure([small], dense, "compare.png", "Fashion-MNIST")
    """
    if not points:
        raise InvalidArgumentError(
            "at least one point", "none", "Pass one per method that was compared."
        )
    figure = new_figure(8.0, 4.8)
    axes = figure.add_axes((0.09, 0.13, 0.57, 0.72))
    level = 100 * dense.accuracy
    axes.axhline(level, color=FAINT, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.axhspan(
        100 * dense.low, 100 * dense.high, color=FAINT, alpha=0.12, linewidth=0
    )
    axes.text(
        0.01, level, " dense", color=FAINT, fontsize=8, va="bottom",
        transform=axes.get_yaxis_transform(),
    )  # fmt: skip
    names = list(dict.fromkeys(point.name for point in points))
    for point in points:
        place = names.index(point.name)
        is_first = next(one for one in points if one.name == point.name) is point
        spread = [
            [100 * (point.accuracy - point.low)],
            [100 * (point.high - point.accuracy)],
        ]
        axes.errorbar(
            [100 * point.cost], [100 * point.accuracy], yerr=spread,
            fmt=MARKERS[place % len(MARKERS)], color=COLOURS[place % len(COLOURS)],
            markersize=7, capsize=3, linewidth=1.2,
            label=point.name if is_first else None,
        )  # fmt: skip
    axes.set_xlim(0, 105)
    across = "MACs of the stripped model, % of the dense network's"
    frame(figure, axes, title, y="test accuracy, %", x=across)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=9
    )
    return save(figure, Path(path))
