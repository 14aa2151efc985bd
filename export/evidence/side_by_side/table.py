"""The tables of ours beside other libraries, and what they come to."""

import textwrap
from typing import Any

from keras_diffmask.export.evidence.families import Family
from keras_diffmask.export.evidence.peers.peer import PEERS, TFMOT
from keras_diffmask.export.evidence.pruning.methods import (
    DENSE,
    HARD,
    L1,
    NARROW,
    OURS,
    RANKED,
)
from keras_diffmask.export.evidence.report import Sample, Table, sample
from keras_diffmask.export.runs import Figures

#: Method -> the figures of each seed, with those of its files and their latency.
Trials = dict[str, list[Figures]]
#: Ways of this library; what is said of "ours" is said of the one that the
#: validation part prefers.
OURS_ALL = (OURS, RANKED, HARD)
METHODS = (DENSE, *OURS_ALL, NARROW, L1, *PEERS)
FILES = ("float32", "int8")
#: Letters of a name under its column of the picture.
_WIDTH = 13
TRAINED = (
    "network", "test accuracy %", "points to dense", "MACs %", "parameters",
    "s / epoch, least",
)  # fmt: skip
ON_DEVICE = (
    "network", "bytes float32", "bytes int8", "int8 test accuracy %",
    "time float32 / dense", "time int8 / dense",
)  # fmt: skip


def tables(trials: Trials) -> list[Table]:
    """What was trained, and what its files are; mean ± deviation (lowest..highest)."""
    trained, on_device = [], []
    for method, figures in trials.items():
        points = "" if method == DENSE else _points(trials, method).written("+.2f")
        trained.append(
            (
                method,
                sample(figures, "test").written(".2f", 100),
                points,
                sample(figures, "macs_share").written(".2f", 100),
                f"{sample(figures, 'parameters').mean:,.0f}",
                # Other work on the computer only ever adds to it.
                f"{min(sample(figures, 'epoch_seconds').values):.1f}",
            )
        )
        on_device.append(
            (
                method,
                *(f"{_of_file(figures, name, 'bytes').mean:,.0f}" for name in FILES),
                _of_file(figures, "int8", "test").written(".2f", 100),
                *(_time(figures, name) for name in FILES),
            )
        )
    return [Table(TRAINED, tuple(trained)), Table(ON_DEVICE, tuple(on_device))]


def _of_file(figures: list[Figures], file: str, name: str) -> Sample:
    return Sample(tuple(one["files"][file][name] for one in figures))


def _time(figures: list[Figures], file: str) -> str:
    """Median of the time over the dense one's, and how far single rounds were off."""
    times = [one["latency"][file] for one in figures]
    low, high = min(one["p5"] for one in times), max(one["p95"] for one in times)
    mean = Sample(tuple(one["ratio"] for one in times)).mean
    return f"{mean:.2f} ({low:.2f}..{high:.2f})"


def _points(
    trials: Trials, method: str, than: str = DENSE, file: str | None = None
) -> Sample:
    """Per seed, points of accuracy above another network."""
    ours, theirs = (_tests(trials[name], file) for name in (method, than))
    return Sample(tuple(100 * (a - b) for a, b in zip(ours, theirs, strict=True)))


def _tests(figures: list[Figures], file: str | None) -> list[float]:
    return [
        one["test"] if file is None else one["files"][file]["test"] for one in figures
    ]


def notes(trials: Trials, absent: dict[str, list[str]], family: Family) -> list[str]:
    """Whether ours is ahead of each other network, and who is not there.

    Args:
        trials: the figures.
        absent: peer -> the packages that it lacks here.
        family: the network.
    """
    ours = best(trials)
    others = [method for method in trials if method not in (DENSE, *OURS_ALL)]
    lines = [f'The validation part prefers "{ours}".']
    lines += [f"It to {method}: {_compared(trials, method)}." for method in others]
    if TFMOT.name in trials:
        lines.append(_of_tfmot(trials))
    lines += [
        f"{peer!r} is not in the table: {' and '.join(packages)} not installed."
        for peer, packages in absent.items()
    ]
    lines += [
        f"{name!r} is not in the table: it cannot prune {family.label}."
        for name, peer in PEERS.items()
        if family.name not in peer.networks
    ]
    return lines


def best(trials: Trials) -> str:
    """The way of this library with the highest mean on the validation part."""
    ours = [method for method in OURS_ALL if method in trials]
    return max(ours, key=lambda method: sample(trials[method], "validation").mean)


def _compared(trials: Trials, method: str) -> str:
    said = []
    for kind, file in (("", None), ("as int8 files ", "int8")):
        ahead = _points(trials, best(trials), method, file)
        said.append(f"{kind}{ahead.written('+.2f')} points, {verdict(ahead)}")
    return "; ".join(said)


def verdict(ahead: Sample) -> str:
    """What differences paired by seed say: whose they favour, and whether all do."""
    if ahead.mean == 0:
        return "level"
    word = "ahead" if ahead.mean > 0 else "behind"
    if len(ahead.values) == 1:
        return f"{word} (one seed has no spread)"
    is_outside = min(ahead.values) > 0 or max(ahead.values) < 0
    return f"{word}, {'outside' if is_outside else 'within'} the spread"


def _of_tfmot(trials: Trials) -> str:
    """What zeros that stay where they are have brought."""
    figures, dense = trials[TFMOT.name], trials[DENSE]
    left = sample(figures, "kernel_weights_left").mean
    zeros = 1 - left / sample(figures, "kernel_weights").mean
    size = [_of_file(of, "int8", "bytes").mean for of in (figures, dense)]
    return (
        f"{TFMOT.name}: {zeros:.1%} of the weights in kernels are 0, and stay where "
        f"they are: {sample(figures, 'macs_share').mean:.0%} of the MACs, "
        f"{size[0] / size[1]:.0%} of the dense int8 file, "
        f"{_time(figures, 'int8')} of its time."
    )


def summary(trials: Trials) -> dict[str, Any]:
    """The figures that the notes are about: points of ours above each other one."""
    ours = best(trials)
    return {
        "ours": ours,
        "points": {
            method: {
                "float": _points(trials, ours, method).values,
                "int8": _points(trials, ours, method, "int8").values,
            }
            for method in trials
            if method != ours
        },
    }


def columns(trials: Trials) -> dict[str, list[float]]:
    """Method -> test accuracy of each seed in %, long names on several lines."""
    return {
        textwrap.fill(method, _WIDTH, break_on_hyphens=False): [
            100 * value for value in _tests(figures, None)
        ]
        for method, figures in trials.items()
    }
