"""How well several runtimes of one model agree, as a picture."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.plots.picture import FAINT, INK, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Equal, within 1 LSB, within 2 LSB, further off.
SHADES = ("#1b6ca8", "#7fb2d6", "#cfe1ee", "#c8553d")
LABELS = ("equal", "1 LSB", "2 LSB", "more")
OWN, CARRIED = "#7fb2d6", "#1b6ca8"
ROW_INCHES = 0.27

#: Label, shares (equal, within 1 LSB, within 2 LSB) or None, what stands behind.
PairRow = tuple[str, tuple[float, float, float] | None, str]
#: Name of a layer, error over output, and the part that its own steps make or None.
LayerRow = tuple[str, float, float | None]


def agreement_figure(
    pairs: Sequence[PairRow],
    layers: Sequence[LayerRow],
    path: str | os.PathLike[str],
    title: str,
) -> Path:
    """Draws how far outputs are apart, and how the error grows, as a PNG file.

    One bar per pair of runtimes, parted by the distance in LSB; below it one bar
    per layer in the order of execution.

    Args:
        pairs: (label, (equal, within 1 LSB, within 2 LSB) or None for float
            outputs, a remark that is written behind the bar).
        layers: (name, rms error over the layer's output, the part of it that
            rounding to the layer's own steps makes or None); may be empty.
        path: the file to write; an existing one is replaced.
        title: the headline.

    Returns:
        The path written.

    Raises:
        InvalidArgumentError: there are no pairs.
        ArtifactError: the path cannot be written.
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> pairs = [("keras, tflm", (0.67, 0.99, 1.0), "same class 99.8 %")]
        >>> agreement_figure(pairs, [("conv", 0.012, 0.008)], "agree.png", "net")
    """
    if not pairs:
        raise InvalidArgumentError(
            "at least one pair", "none", "Pass one row per two runtimes."
        )
    upper = ROW_INCHES * len(pairs)
    lower = ROW_INCHES * len(layers) + 0.62 if layers else 0.0
    height = 1.55 + upper + lower
    figure = new_figure(8.4, height)
    top = 1 - 0.95 / height
    axes = figure.add_axes((0.27, top - upper / height, 0.44, upper / height))
    _draw_pairs(axes, pairs)
    if layers:
        size = (ROW_INCHES * len(layers)) / height
        below = figure.add_axes((0.27, 0.42 / height, 0.44, size))
        _draw_layers(below, layers)
    figure.text(
        0.03, 1 - 0.18 / height, title, va="top", fontsize=13, weight="bold", color=INK
    )
    return save(figure, Path(path))


def _draw_pairs(axes: "Axes", pairs: Sequence[PairRow]) -> None:
    for place, (_, shares, remark) in enumerate(pairs):
        if shares is not None:
            ends = (0.0, *shares, 1.0)
            for shade, start, end in zip(SHADES, ends, ends[1:], strict=False):
                axes.barh(
                    place, 100 * (end - start), left=100 * start, color=shade,
                    height=0.66, linewidth=0,
                )  # fmt: skip
        axes.text(102, place, remark, va="center_baseline", fontsize=8, color=FAINT)
    _rows(axes, [label for label, _, _ in pairs])
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
    if any(shares is not None for _, shares, _ in pairs):
        _legend(axes, list(zip(SHADES, LABELS, strict=True)))


def _draw_layers(axes: "Axes", layers: Sequence[LayerRow]) -> None:
    for place, (_, error, own) in enumerate(layers):
        axes.barh(place, 100 * error, color=CARRIED, height=0.66, linewidth=0)
        if own is not None:
            axes.barh(place, 100 * min(own, error), color=OWN, height=0.66, linewidth=0)
        axes.text(
            100 * error, place, f" {100 * error:.2g} %", va="center_baseline",
            fontsize=8, color=FAINT,
        )  # fmt: skip
    _rows(axes, [name for name, _, _ in layers])
    axes.set_xlim(0, max(100 * max(error for _, error, _ in layers), 1e-9) * 1.12)
    _legend(axes, [(OWN, "its own steps alone"), (CARRIED, "error / output, rms, %")])


def _legend(axes: "Axes", entries: list[tuple[str, str]]) -> None:
    for colour, label in entries:
        axes.barh([0], [0], color=colour, label=label)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=len(entries),
        frameon=False, fontsize=8, handlelength=1.0, columnspacing=1.2,
    )  # fmt: skip


def _rows(axes: "Axes", names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8.5, color=INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labelsize=8, labelcolor=FAINT)
    for side in axes.spines.values():
        side.set_visible(False)
