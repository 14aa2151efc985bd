"""The same seeds under several conditions, as a picture."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.plots.picture import FAINT, INK, frame, new_figure, save

MEAN = "#1b6ca8"
#: Width of a column at least, for its name.
INCHES = 1.2
#: A line of a name under its column, of the picture's height.
LINE = 0.04


def paired_figure(
    columns: Mapping[str, Sequence[float]],
    path: str | os.PathLike[str],
    title: str,
    label: str,
) -> Path:
    """Draws one figure per seed and condition, as a PNG file.

    A column of dots per condition, a thin line through the dots of one seed,
    and a bar at each mean, whose value stands above: what a seed brings along
    is told from what the condition does.

    Args:
        columns: name of a condition, of one line or several -> one value per
            seed, in the same order of seeds everywhere.
        path: the file to write; an existing one is replaced.
        title: the headline.
        label: what the values are.

    Returns:
        The path written.

    Raises:
        InvalidArgumentError: no conditions, no seeds, or not equally many.
        ArtifactError: the path cannot be written.
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> scores = {"dense": [91.2, 90.4], "pruned": [90.9, 90.6]}
        >>> paired_figure(scores, "paired.png", "Two seeds", "accuracy, %")
    """
    counts = {len(values) for values in columns.values()}
    if len(counts) != 1 or counts == {0}:
        raise InvalidArgumentError(
            "conditions with one value per seed each",
            f"{ {name: len(values) for name, values in columns.items()} }",
            "Pass the same seeds for every condition.",
        )
    figure = new_figure(max(7.2, INCHES * len(columns)), 4.6)
    low = 0.06 + LINE * max(name.count("\n") + 1 for name in columns)
    axes = figure.add_axes((0.11, low, 0.85, 0.82 - low))
    places = range(len(columns))
    for seed in zip(*columns.values(), strict=True):
        axes.plot(places, seed, "o-", color=FAINT, linewidth=0.8, markersize=4)
    for place, values in zip(places, columns.values(), strict=True):
        mean = sum(values) / len(values)
        axes.hlines(mean, place - 0.18, place + 0.18, color=MEAN, linewidth=2.5)
        axes.text(
            place, 1.01, f"{mean:.2f}", color=MEAN, ha="center",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    axes.set_xticks(list(places), list(columns), color=INK)
    axes.set_xlim(-0.4, len(columns) - 0.4)
    frame(figure, axes, title, y=label, along="y")
    return save(figure, Path(path))
