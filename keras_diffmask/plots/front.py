"""Score against cost, as a curve."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.plots.picture import FAINT, frame, new_figure, save
from keras_diffmask.plots.tradeoff import COLOURS, MARKERS


def front_figure(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    path: str | os.PathLike[str],
    title: str,
    cost: str = "macs",
    score: str = "accuracy",
) -> Path:
    """Draws score against cost, one line per curve, as a PNG file.

    Args:
        curves: name -> points (cost as a fraction of the dense network's, score);
            a name is written at the line where there are several.
        path: the file to write; an existing one is replaced.
        title: the headline.
        cost: what it is a fraction of.
        score: what the other axis shows; an accuracy is shown in %.

    Returns:
        The path written.

    Raises:
        InvalidArgumentError: there are no points.
        ArtifactError: the path cannot be written.
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> front_figure({"": [(0.15, 0.88), (0.3, 0.91)]}, "front.png", "One run")
    """
    if not any(curves.values()):
        raise InvalidArgumentError(
            "at least one point of (cost, score)", "none", "Train for an epoch first."
        )
    factor, unit = (100, ", %") if "acc" in score else (1, "")
    figure = new_figure(7.2, 4.6)
    axes = figure.add_axes((0.11, 0.13, 0.85, 0.72))
    for place, (name, points) in enumerate(curves.items()):
        costs, scores = zip(*sorted(points), strict=True)
        axes.plot(
            [100 * one for one in costs], [factor * one for one in scores],
            color=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)],
            markersize=7, linewidth=1.2, label=name or None,
        )  # fmt: skip
        for at, value in zip(costs, scores, strict=True) if len(curves) == 1 else ():
            axes.annotate(
                f"{factor * value:.4g}", (100 * at, factor * value),
                xytext=(0, 7), textcoords="offset points",
                ha="center", fontsize=8, color=FAINT,
            )  # fmt: skip
    axes.margins(x=0.06, y=0.15)
    across = f"{cost} of the stripped model, % of the dense one's"
    frame(figure, axes, title, y=f"{score}{unit}", x=across)
    if any(curves):
        axes.legend(frameon=False, fontsize=9)
    return save(figure, Path(path))
