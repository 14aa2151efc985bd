"""Cost against steps, while `fit` searches and after it has decided."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.plots.picture import frame, new_figure, save
from keras_diffmask.plots.tradeoff import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MET = "#3a7d44"
_TARGET = "_target"


def search_figure(
    history: Mapping[str, Sequence[float]],
    path: str | os.PathLike[str],
    title: str = "The search",
    steps_per_epoch: int | None = None,
) -> Path:
    """Draws each cost of the budget and its target over the epochs, as a PNG file.

    The part where the budget is met in integers has a shade behind it.

    Args:
        history: `fit(...).history` of a model with a budget.
        path: the file to write; an existing one is replaced.
        title: the headline.
        steps_per_epoch: int >= 1, to count in steps; epochs otherwise.

    Returns:
        The path written.

    Raises:
        InvalidArgumentError: it is not the history of a model with a budget.
        ArtifactError: the path cannot be written.
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> fitted = masked.fit(x, y, epochs=20)
        >>> search_figure(fitted.history, "search.png")
    """
    names = [name.removesuffix(_TARGET) for name in history if name.endswith(_TARGET)]
    names = [name for name in names if name in history]
    if not names or not history[names[0]]:
        raise InvalidArgumentError(
            "the history of a model with a budget, which holds a cost and its target",
            f"one of {', '.join(history) or 'nothing'}",
            "Pass fit(...).history of a model made by kd.mask_model(budget=...).",
        )
    figure = new_figure(7.2, 4.2)
    axes = figure.add_axes((0.11, 0.14, 0.85, 0.70))
    epochs = len(history[names[0]])
    ends = [(steps_per_epoch or 1) * (epoch + 1) for epoch in range(epochs)]
    for place, name in enumerate(names):
        colour = COLOURS[place % len(COLOURS)]
        targets = [100 * value for value in history[f"{name}{_TARGET}"]]
        costs = [100 * value for value in history[name]]
        axes.plot(ends, targets, color=colour, linewidth=1.0, linestyle=(0, (4, 3)),
                  label=f"{name}, target")  # fmt: skip
        axes.plot(ends, costs, "o-", color=colour, linewidth=1.6, markersize=4,
                  label=f"{name}, expected, then decided")  # fmt: skip
    _shade_what_is_met(axes, ends, history.get("budget_met", ()))
    axes.set_ylim(0, 105)
    across = "steps" if steps_per_epoch else "epochs"
    frame(figure, axes, title, y="% of the dense network's", x=across)
    axes.legend(frameon=False, fontsize=9)
    return save(figure, Path(path))


def _shade_what_is_met(axes: "Axes", ends: list[int], met: Sequence[float]) -> None:
    # From the epoch on after which it stays met: a search may pass by earlier.
    first = max((place + 1 for place, value in enumerate(met) if not value), default=0)
    if first < len(met):
        axes.axvspan(ends[first], ends[-1], color=MET, alpha=0.08, linewidth=0)
        axes.text(ends[first], 102, " budget met", color=MET, fontsize=8, va="top")
