"""How often differences are as large as that, as a picture."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.plots.picture import FAINT, INK, new_figure, save
from keras_diffmask.plots.tradeoff import COLOURS, MARKERS

_TICKS = (1, 2, 5, 10, 20, 50, 100, 200)


def tail_figure(
    curves: Mapping[str, Sequence[int]],
    path: str | os.PathLike[str],
    title: str,
    label: str,
) -> Path:
    """Draws which share of whole numbers is at least 1, 2, 3 and so on.

    Both axes are logarithmic: of a million differences the few large ones are
    seen next to the many small ones.

    Args:
        curves: name -> how many of the numbers are 0, 1, 2 and so on.
        path: the file to write; an existing one is replaced.
        title: the headline.
        label: what the sizes are.

    Returns:
        The path written.

    Raises:
        InvalidArgumentError: a curve without numbers.
        ArtifactError: the path cannot be written.
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> tail_figure({"": [9_000, 900, 90, 9]}, "tail.png", "Sizes", "at least")
    """
    if not curves or not all(map(sum, curves.values())):
        raise InvalidArgumentError(
            "at least one number per curve",
            f"{ {name: sum(counts) for name, counts in curves.items()} }",
            "Count something first.",
        )
    figure = new_figure(7.2, 4.6)
    axes = figure.add_axes((0.11, 0.13, 0.85, 0.72))
    for place, (name, counts) in enumerate(curves.items()):
        sizes = range(1, len(counts))
        axes.loglog(
            sizes, [100 * sum(counts[size:]) / sum(counts) for size in sizes],
            color=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)],
            markersize=4, linewidth=1.2, label=name or None,
        )  # fmt: skip
    largest = max(map(len, curves.values()))
    axes.minorticks_off()
    ticks = [size for size in _TICKS if size < largest]
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(label, color=INK)
    axes.set_ylabel("share, %", color=INK)
    axes.grid(color=FAINT, alpha=0.18, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if any(curves):
        axes.legend(frameon=False, fontsize=9)
    figure.text(0.04, 0.955, title, va="top", fontsize=13, weight="bold", color=INK)
    return save(figure, Path(path))
