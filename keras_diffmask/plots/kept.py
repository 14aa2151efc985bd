"""How much of each layer was kept, as a picture."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.plots.picture import FAINT, INK, headline, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEPT, GONE = "#1b6ca8", "#dfe6ec"
ROW_INCHES = 0.30
LONGEST_NAME = 30

Row = tuple[str, int, int]


def kept_figure(
    rows: Iterable[Row],
    path: str | os.PathLike[str],
    title: str = "What was kept",
    unit: str = "units",
) -> Path:
    """Draws how much of each layer was kept, as a PNG file.

    One horizontal bar per layer, its full length all of the layer's units, the
    dark part those kept; the figures stand beside it. Matplotlib's own state
    (backend, styles, open figures) is neither used nor changed.

    Args:
        rows: (name, kept, total) for each layer, in the order of the network;
            0 <= kept <= total, total at least 1.
        path: the file to write; an existing one is replaced.
        title: the headline.
        unit: what is counted, in plural, such as `"channels"`.

    Returns:
        The path written.

    Raises:
        InvalidArgumentError: no rows, or counts that contradict each other.
        ArtifactError: the path cannot be written.
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> kept_figure([("conv2d", 5, 16), ("dense", 20, 64)], "kept.png")
    """
    table = [(str(name), int(kept), int(total)) for name, kept, total in rows]
    _check(table)
    figure = new_figure(8.0, 1.25 + ROW_INCHES * len(table))
    _draw(figure, table, title, unit)
    return save(figure, Path(path))


def _check(table: list[Row]) -> None:
    if not table:
        raise InvalidArgumentError(
            "at least one (name, kept, total)", "no rows", "Pass one row per layer."
        )
    for name, kept, total in table:
        if not (total >= 1 and 0 <= kept <= total):
            raise InvalidArgumentError(
                "0 <= kept <= total and total >= 1 in every row",
                f"({name!r}, {kept}, {total})",
                "Pass (name, kept, total) with the counts of one layer.",
            )


def _draw(figure: "Figure", table: list[Row], title: str, unit: str) -> None:
    height = figure.get_figheight()
    axes = figure.add_axes((0.32, 0.30 / height, 0.46, 1 - 1.15 / height))
    places = range(len(table))
    fractions = [kept / total for _, kept, total in table]
    axes.barh(places, [1.0] * len(table), height=0.62, color=GONE, linewidth=0)
    axes.barh(places, fractions, height=0.62, color=KEPT, linewidth=0)
    for place, (_, kept, total) in zip(places, table, strict=True):
        label = f"{kept:,} of {total:,}"
        axes.text(1.02, place, label, va="center_baseline", color=INK, fontsize=9)
        axes.text(
            1.38, place, f"{kept / total:.0%}", va="center_baseline", ha="right",
            color=FAINT, fontsize=9,
        )  # fmt: skip
    names = [_shortened(name) for name, _, _ in table]
    axes.set_yticks(list(places), names, fontsize=9, color=INK)
    axes.set_ylim(len(table) - 0.5, -0.5)  # the input's end of the network on top
    _quiet(axes)
    kept_all = sum(kept for _, kept, _ in table)
    total_all = sum(total for _, _, total in table)
    share = f"{kept_all / total_all:.0%}"
    layers = f"{len(table)} layer" + "s" * (len(table) > 1)
    below = f"{kept_all:,} of {total_all:,} {unit} in {layers} ({share})"
    top, under = 1 - 0.20 / height, 1 - 0.50 / height
    headline(figure, title, top)
    figure.text(0.04, under, below, va="top", fontsize=9.5, color=FAINT)


def _quiet(axes: "Axes") -> None:
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labelsize=8, labelcolor=FAINT)
    for side in axes.spines.values():
        side.set_visible(False)
    for x in (0.25, 0.5, 0.75):
        axes.axvline(x, color="white", linewidth=0.8, alpha=0.7)


def _shortened(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    half = (LONGEST_NAME - 1) / 2
    return f"{name[: math.ceil(half)]}…{name[-math.floor(half) :]}"
