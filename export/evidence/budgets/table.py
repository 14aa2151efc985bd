"""The table of budgets and methods, and what it comes to."""

from typing import Any

from keras_diffmask.export.evidence.pruning.methods import DENSE, L1, NARROW, OURS
from keras_diffmask.export.evidence.report import Sample, Table, sample
from keras_diffmask.export.runs import Figures

METHODS = (OURS, NARROW, L1)
#: (method, share of the MACs) -> the figures of each seed.
Trials = dict[tuple[str, float], list[Figures]]
ALL = (DENSE, 1.0)
#: How far below its budget a network may be.
WITHIN = 0.02
HEADER = (
    "budget", "method", "test accuracy %", "points to dense", "MACs %", "MACs",
    "parameters", "s / epoch",
)  # fmt: skip


def table(trials: Trials) -> Table:
    """One row per budget and method; mean ± deviation (lowest..highest)."""
    rows = []
    for (method, share), figures in trials.items():
        points = (
            "" if method == DENSE else _points(trials, method, share).written("+.2f")
        )
        rows.append(
            (
                f"{share:.0%}",
                method,
                sample(figures, "test").written(".2f", 100),
                points,
                sample(figures, "macs_share").written(".2f", 100),
                f"{sample(figures, 'macs').mean:,.0f}",
                f"{sample(figures, 'parameters').mean:,.0f}",
                f"{sample(figures, 'epoch_seconds').mean:.1f}",
            )
        )
    return Table(HEADER, tuple(rows), left=(0, 1))


def _points(
    trials: Trials, method: str, share: float, than: tuple[str, float] = ALL
) -> Sample:
    """Per seed, points of accuracy above another network."""
    pairs = zip(trials[method, share], trials[than], strict=True)
    return Sample(tuple(100 * (one["test"] - other["test"]) for one, other in pairs))


def notes(trials: Trials) -> list[str]:
    """What the table comes to, against what was aimed at."""
    lines = []
    for share in _shares(trials):
        left = [one["macs_share"] for one in trials[OURS, share]]
        lines.append(
            f"Budget {share:.0%}: {100 * min(left):.2f} to {100 * max(left):.2f} % of "
            f"the MACs; never above: {_word(max(left) <= share)}, at least "
            f"{1 - WITHIN:.0%} of it: {_word(min(left) >= (1 - WITHIN) * share)}."
        )
        for other in (NARROW, L1):
            ahead = _points(trials, OURS, share, (other, share))
            lines.append(
                f"Budget {share:.0%}: ours to {other}, paired by seed: "
                f"{ahead.written('+.2f')} points; aim: at least 0, "
                f"{_word(ahead.mean >= 0)}."
            )
    return lines


def summary(trials: Trials) -> dict[str, Any]:
    """The figures that the aims are about, per budget."""
    return {
        f"{share:g}": {
            "macs_share": [one["macs_share"] for one in trials[OURS, share]],
            **{
                f"points_to_{other.replace(' ', '_')}": _points(
                    trials, OURS, share, (other, share)
                ).values
                for other in (NARROW, L1)
            },
        }
        for share in _shares(trials)
    }


def curves(trials: Trials) -> dict[str, list[tuple[float, float]]]:
    """Method -> (share of the MACs, mean accuracy), the dense network last."""
    end = (1.0, sample(trials[ALL], "test").mean)
    found = {
        method: [
            (sample(figures, "macs_share").mean, sample(figures, "test").mean)
            for (name, _), figures in trials.items()
            if name == method
        ]
        for method in METHODS
    }
    return {method: [*points, end] for method, points in found.items()}


def _shares(trials: Trials) -> list[float]:
    return [share for method, share in trials if method == OURS]


def _word(is_reached: bool) -> str:
    return "reached" if is_reached else "not reached"
