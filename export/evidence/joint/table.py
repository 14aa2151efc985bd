"""The table of pruning and quantization, one after the other and together."""

import math
from typing import Any

from keras_diffmask.export.evidence.pruning.files import LEARNED
from keras_diffmask.export.evidence.pruning.methods import (
    DENSE,
    JOINT_4,
    JOINT_8,
    RANKED,
)
from keras_diffmask.export.evidence.report import Sample, Table
from keras_diffmask.export.runs import Figures

#: What was trained -> the figures of each seed, with those of its files.
Trials = dict[str, list[Figures]]
#: What was trained -> its files.
FILES = {
    DENSE: ("int8", "int4"),
    RANKED: ("int8", "int4"),
    JOINT_8: (LEARNED,),
    JOINT_4: (LEARNED,),
}
#: Row -> what was trained, and the file of it; None for the Keras model in floats.
ROWS: dict[str, tuple[str, str | None]] = {
    "dense float": (DENSE, None),
    "pruned float": (RANKED, None),
    "pruned, then int8": (RANKED, "int8"),
    "pruned and int8 together": (JOINT_8, LEARNED),
    "pruned, then int4": (RANKED, "int4"),
    "pruned and int4 together": (JOINT_4, LEARNED),
}
#: Points that int8 and int4 may lose to the dense float network.
POINTS = {"pruned and int8 together": 1.5, "pruned and int4 together": 3.0}
#: Of a file and its simulation: outputs at most a step off, and equal classes.
WITHIN_1, CLASS = 0.99, 0.995
HEADER = ("network", "test accuracy %", "points to dense float", "MACs %", "bytes")


def values(trials: Trials, row: str) -> tuple[float, ...]:
    """The test accuracies of a row, per seed."""
    trained, file = ROWS[row]
    found = [one if file is None else one["files"][file] for one in trials[trained]]
    return tuple(one["test"] for one in found)


def points(trials: Trials, row: str, than: str = "dense float") -> Sample:
    """Per seed, points of accuracy above another row."""
    pairs = zip(values(trials, row), values(trials, than), strict=True)
    return Sample(tuple(100 * (a - b) for a, b in pairs))


def table(trials: Trials) -> Table:
    """One row per network and file; mean ± deviation (lowest..highest)."""
    rows = []
    for row, (trained, file) in ROWS.items():
        figures = trials[trained]
        shares = Sample(tuple(one["macs_share"] for one in figures))
        sizes = [one["files"][file]["bytes"] for one in figures] if file else []
        rows.append(
            (
                row,
                Sample(values(trials, row)).written(".2f", 100),
                "" if row == "dense float" else points(trials, row).written("+.2f"),
                f"{100 * shares.mean:.1f}",
                f"{sum(sizes) / len(sizes):,.0f}" if sizes else "",
            )
        )
    return Table(HEADER, tuple(rows), left=(0,))


def notes(trials: Trials) -> list[str]:
    """What the table comes to, against what was aimed at."""
    lines = []
    for bits in ("int8", "int4"):
        together, after = f"pruned and {bits} together", f"pruned, then {bits}"
        ahead, below = points(trials, together, after), -points(trials, together).mean
        error = ahead.deviation / math.sqrt(len(ahead.values))
        aim = "above 0" if bits == "int4" else "at least minus the standard error"
        reached = ahead.mean > 0 if bits == "int4" else ahead.mean >= -error
        lines.append(
            f"{bits}, together to one after the other, paired by seed: "
            f"{ahead.written('+.2f')} points, standard error {error:.2f}; aim: {aim}, "
            f"{_word(reached)}."
        )
        most = POINTS[together]
        lines.append(
            f"{bits}, together: {below:.2f} points below dense float; aim: at most "
            f"{most:g}, {_word(below <= most)}."
        )
    return [*lines, *_agreement(trials)]


def _agreement(trials: Trials) -> list[str]:
    """How near the files are to what simulated them; the worst seed."""
    lines = []
    for trained in (JOINT_8, JOINT_4):
        found = [one["files"][LEARNED]["agreement"] for one in trials[trained]]
        worst = {name: min(one[name] for one in found) for name in found[0]}
        is_reached = worst["within_1"] >= WITHIN_1 and worst["class_within_1"] >= CLASS
        lines.append(
            f"{trained}, file to simulation, LiteRT's reference kernels: outputs equal "
            f"{worst['exact']:.2%}, at most one step off {worst['within_1']:.2%} (aim "
            f"{WITHIN_1:.0%}); class equal {worst['class']:.2%}, or one step behind "
            f"{worst['class_within_1']:.2%} (aim {CLASS:.1%}): {_word(is_reached)}."
        )
    return lines


def summary(trials: Trials) -> dict[str, Any]:
    """The figures that the aims are about."""
    return {row: values(trials, row) for row in ROWS}


def _word(is_reached: bool) -> str:
    return "reached" if is_reached else "not reached"
