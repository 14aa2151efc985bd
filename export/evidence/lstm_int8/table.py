"""The tables of the LSTM networks in two runtimes, and what they come to."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_diffmask.export.emit.repair import LSTM
from keras_diffmask.export.evidence.lstm_int8.networks import FUSED
from keras_diffmask.export.evidence.report import Sample, Table
from keras_diffmask.export.runs import Figures

#: Name of a network -> the figures of each seed.
Trials = dict[str, list[Figures]]
#: Rms of the int8 error as a share of the output's, the largest difference of two
#: outputs in integers, and the share of equal choices that are aimed at.
ERROR_AIM, LARGEST_AIM, CHOICE_AIM = 0.03, 2, 0.99
#: The largest difference of h after a step from the same state.
STEP_AIM = 1
#: Control flow, and what plain LiteRT has no kernel for; Flex is CUSTOM.
_FORBIDDEN = {"WHILE", "IF", "CUSTOM"}
OPS_HEADER = ("network", "operators of its int8 file")
OUTPUTS_HEADER = (
    "network", "test accuracy % float", "int8", "int8 error %", "of the median",
    "of the worst", "outputs equal %",
    "1 off", "2 off", "3+ off", "largest", "same class %", "but for ties",
)  # fmt: skip
STATES_HEADER = (
    "LSTM", "a step: h 1 off %", "largest", "c largest", "sequence: 1 off %",
    "2 off", "3+ off", "largest", "LiteRT nudged: 3+ off", "largest",
)  # fmt: skip


def tables(trials: Trials) -> list[Table]:
    """The operators, the outputs, and the states of each LSTM."""
    ops = [(name, ", ".join(figures[0]["ops"])) for name, figures in trials.items()]
    return [
        Table(OPS_HEADER, tuple(ops), left=(0, 1)),
        Table(OUTPUTS_HEADER, tuple(_outputs(n, f) for n, f in trials.items())),
        Table(STATES_HEADER, tuple(_states(trials))),
    ]


def _outputs(name: str, figures: list[Figures]) -> tuple[str, ...]:
    sizes = pooled([one["outputs"] for one in figures])
    return (
        name,
        *(_sample(figures, "test", kind).written(".2f", 100) for kind in KINDS),
        _sample(figures, "error", "litert").written(".2f", 100),
        *(f"{100 * _by_sequence(figures, kind):.2f}" for kind in ("median", "largest")),
        *(f"{100 * share(sizes, k):.2f}" for k in range(3)),
        f"{100 * at_least(sizes, 3):.2f}",
        f"{len(sizes) - 1}",
        f"{100 * np.mean([one['same_choice'] for one in figures]):.2f}",
        f"{100 * np.mean([one['same_choice_or_tied'] for one in figures]):.2f}",
    )


KINDS = ("float", "int8")


def _sample(figures: list[Figures], *path: str) -> Sample:
    group, name = path
    return Sample(tuple(one[group][name] for one in figures))


def _by_sequence(figures: list[Figures], kind: str) -> float:
    """Error of the median or the worst sequence, in the seed where it is largest."""
    return max(_sample(figures, "error_by_sequence", kind).values)


def _states(trials: Trials) -> list[tuple[str, ...]]:
    rows = []
    for name, sizes in states(trials).items():
        step, cell = sizes["step"], sizes["step_cell"]
        sequence, nudged = sizes["sequence"], sizes["nudged"]
        rows.append(
            (
                name,
                f"{100 * share(step, 1):.2f}",
                f"{len(step) - 1}",
                f"{len(cell) - 1}",
                *(f"{100 * share(sequence, k):.3f}" for k in (1, 2)),
                f"{100 * at_least(sequence, 3):.3f}",
                f"{len(sequence) - 1}",
                f"{100 * at_least(nudged, 3):.3f}",
                f"{len(nudged) - 1}",
            )
        )
    return rows


def states(trials: Trials) -> dict[str, dict[str, list[int]]]:
    """LSTM -> what was compared -> how many differences of each size, all seeds."""
    found = {}
    for network, figures in trials.items():
        count = len(figures[0]["lstms"])
        for place in range(count):
            lstms = [one["lstms"][place] for one in figures]
            number = f" {place + 1}" if count > 1 else ""
            label = f"{network}{number}, {lstms[0]['units']} units"
            found[label] = {
                kind: pooled([lstm[kind] for lstm in lstms])
                for kind in ("step", "step_cell", "sequence", "nudged")
            }
    return found


def pooled(several: Sequence[list[int]]) -> list[int]:
    """Numbers of differences by size, added up."""
    sums = [0] * max(map(len, several))
    for sizes in several:
        for size, count in enumerate(sizes):
            sums[size] += count
    return sums


def share(sizes: list[int], size: int) -> float:
    """Share of the differences that have a size."""
    return sizes[size] / sum(sizes) if size < len(sizes) else 0.0


def at_least(sizes: list[int], size: int) -> float:
    """Share of the differences that have a size or a larger one."""
    return sum(sizes[size:]) / sum(sizes)


def summary(trials: Trials) -> dict[str, Any]:
    """The figures that the aims are about, over all networks and seeds."""
    everything = [one for figures in trials.values() for one in figures]
    sizes = pooled([one["outputs"] for one in everything])
    found = states(trials).values()
    errors = [max(one["error"].values()) for one in everything]
    return {
        "files": len(everything),
        "files_as_promised": sum(
            _is_as_promised(name, one)
            for name, figures in trials.items()
            for one in figures
        ),
        "largest_error": max(errors),
        "files_within_error": sum(error <= ERROR_AIM for error in errors),
        "largest_median_error": _by_sequence(everything, "median"),
        "largest_difference": len(sizes) - 1,
        "share_above_2": at_least(sizes, LARGEST_AIM + 1),
        "smallest_same_choice": min(one["same_choice"] for one in everything),
        "smallest_same_choice_or_tied": min(
            one["same_choice_or_tied"] for one in everything
        ),
        "largest_of_a_step": max(len(one["step"]) - 1 for one in found),
        "largest_of_a_sequence": max(len(one["sequence"]) - 1 for one in found),
        "largest_when_nudged": max(len(one["nudged"]) - 1 for one in found),
    }


def _is_as_promised(name: str, figures: Figures) -> bool:
    """`to_tflite` refuses anything else: here it is counted, not trusted."""
    kinds = [op.split()[0] for op in figures["ops"]]
    return (
        figures["quantization"] == "int8"
        and kinds.count(LSTM) == len(figures["lstms"]) == FUSED[name]
        and not _FORBIDDEN.intersection(kinds)
    )


def notes(trials: Trials) -> list[str]:
    """What the tables come to, against what was aimed at."""
    s = summary(trials)
    return [
        f"Files that are int8 throughout, one fused operator per LSTM, without "
        f"control flow or Flex: {s['files_as_promised']} of {s['files']}.",
        f"Rms error of an int8 file, of either runtime: at most "
        f"{s['largest_error']:.2%} of the output's rms, of its median sequence "
        f"{s['largest_median_error']:.2%}; aim: at most {ERROR_AIM:.0%}, "
        f"{_word(s['largest_error'] <= ERROR_AIM)} "
        f"({s['files_within_error']} of {s['files']} files).",
        f"Outputs, TFLM to LiteRT's reference kernels: at most "
        f"{s['largest_difference']} apart in integers, {s['share_above_2']:.3%} of "
        f"them more than {LARGEST_AIM}; aim: at most {LARGEST_AIM}, "
        f"{_word(s['largest_difference'] <= LARGEST_AIM)}.",
        f"Same class in both: at least {s['smallest_same_choice']:.1%} of a "
        f"network's sequences, {s['smallest_same_choice_or_tied']:.1%} but for ties; "
        f"aim: {CHOICE_AIM:.0%}, "
        f"{_word(s['smallest_same_choice_or_tied'] >= CHOICE_AIM)}.",
        f"One step from the same state: h at most {s['largest_of_a_step']} apart; "
        f"aim: at most {STEP_AIM}, {_word(s['largest_of_a_step'] <= STEP_AIM)}.",
        "Over a sequence the recurrence carries such steps on: h gets up to "
        f"{s['largest_of_a_sequence']} apart, and LiteRT from itself up to "
        f"{s['largest_when_nudged']}, where as many entries of h are moved by 1.",
    ]


def _word(is_reached: bool) -> str:
    return "reached" if is_reached else "not reached"
