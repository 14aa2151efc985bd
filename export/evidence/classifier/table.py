"""The table of a recurrent classifier, and what it comes to."""

from typing import Any

from keras_diffmask.export.evidence.classifier.networks import (
    ARENA_AIM,
    FILE_AIM,
    POINTS_AIM,
)
from keras_diffmask.export.evidence.report import Sample, Table
from keras_diffmask.export.runs import Figures

Trials = dict[str, list[Figures]]
HEADER = (
    "model", "test accuracy %", "points to dense float", "parameters", "MACs",
    "int8 file", "TFLM arena",
)  # fmt: skip


def table(trials: Trials) -> Table:
    """One row per model; an accuracy is mean ± deviation (lowest..highest).

    Args:
        trials: `"dense"` and `"pruned"` -> the figures of each seed.
    """
    rows = []
    for name in trials:
        for kind in ("float", "int8"):
            is_dense = (name, kind) == ("dense", "float")
            points = "" if is_dense else points_lost(trials, name, kind).written("+.2f")
            sizes = ("int8_bytes", "arena_bytes") if kind == "int8" else ()
            rows.append(
                (
                    f"{name} {kind}",
                    accuracies(trials, name, kind).written(".2f", 100),
                    points,
                    _count(trials[name], "parameters"),
                    _count(trials[name], "macs"),
                    *(_count(trials[name], size) for size in sizes or ("", "")),
                )
            )
    return Table(HEADER, tuple(rows))


def accuracies(trials: Trials, name: str, kind: str) -> Sample:
    """Test accuracies of a model, 0 to 1."""
    return Sample(tuple(trial["test"][kind] for trial in trials[name]))


def points_lost(trials: Trials, name: str, kind: str) -> Sample:
    """Per seed, points of accuracy above the dense float model."""
    pairs = zip(trials[name], trials["dense"], strict=True)
    return Sample(
        tuple(
            100 * (one["test"][kind] - dense["test"]["float"]) for one, dense in pairs
        )
    )


def ratios(trials: Trials, figure: str) -> Sample | None:
    """Per seed, a figure of the pruned model over the dense one's."""
    pairs = [
        (one[figure], dense[figure])
        for one, dense in zip(trials["pruned"], trials["dense"], strict=True)
    ]
    if any(None in pair for pair in pairs):
        return None
    return Sample(tuple(one / dense for one, dense in pairs))


def summary(trials: Trials) -> dict[str, Any]:
    """The figures that the aims are about, per seed."""
    shares = {name: ratios(trials, name) for name in ("int8_bytes", "arena_bytes")}
    return {
        "points_pruned_int8_to_dense_float": points_lost(
            trials, "pruned", "int8"
        ).values,
        "macs_ratio": _values(ratios(trials, "macs")),
        **{f"{name}_ratio": _values(share) for name, share in shares.items()},
    }


def notes(trials: Trials) -> list[str]:
    """What the table comes to, against what was aimed at."""
    points = points_lost(trials, "pruned", "int8")
    lines = [
        f"Pruned int8 to dense float, paired by seed: {points.written('+.2f')} points; "
        f"aim: at least -{POINTS_AIM:g}, {_reached(points.mean >= -POINTS_AIM)}."
    ]
    for figure, what, aim in (
        ("macs", "MACs", None),
        ("int8_bytes", "int8 file", FILE_AIM),
        ("arena_bytes", "TFLM arena", ARENA_AIM),
    ):
        share = ratios(trials, figure)
        if share is None:
            lines.append(f"{what}: not measured, for want of the tflite-micro package.")
            continue
        line = f"{what}, pruned over dense: {share.written('.3f')}"
        if aim is not None:
            is_reached = max(share.values) <= aim
            line += f"; aim: at most {aim:.2f}, {_reached(is_reached)}"
        lines.append(line + ".")
    return lines


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "not reached"


def _values(sample: Sample | None) -> tuple[float, ...] | None:
    return None if sample is None else sample.values


def _count(trials: list[Figures], figure: str) -> str:
    """Mean of a figure; nothing where there is none or it was not measured."""
    values = [trial[figure] for trial in trials if figure and trial[figure] is not None]
    return f"{Sample(tuple(values)).mean:,.0f}" if values else ""
