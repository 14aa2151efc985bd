"""What stripping leaves, beside the same network written by hand."""

from typing import Any

from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.emulation.cores import CORES
from keras_diffmask.export.emulation.result import REMARK
from keras_diffmask.export.evidence.handwritten.trial import (
    STRIPPED,
    WRITTEN,
    run_trial,
)
from keras_diffmask.export.evidence.report import Report, Table, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.evidence.tiny.networks import NETWORKS
from keras_diffmask.export.runs import Figures, Runs

NAME = "handwritten"
SHARE, EXAMPLES = 0.3, 32
KINDS: dict[str, str | None] = {"float32": None, "int8": "int8"}
QUICK_NETWORKS, QUICK_KINDS = ("DS-CNN",), ("int8",)
HEADER = ("network", "operators", "shapes", "file", "by hand", "answers")


def handwritten(settings: Settings, reporter: Reporter) -> Report:
    """Strips each network and compares its file with that of one written by hand.

    Args:
        settings: what to do; nothing is trained, and no data is read.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `handwritten.json` and the
        figures of each network under `runs`.

    Raises:
        DiffmaskError: the folder cannot be used, or a network cannot be written
            with what is left.
    """
    runs = Runs(results_folder(settings.out) / "runs")
    names = QUICK_NETWORKS if settings.quick else tuple(NETWORKS)
    kinds = QUICK_KINDS if settings.quick else tuple(KINDS)
    cores = tuple(CORES)[-1:] if settings.quick else tuple(CORES)
    found: dict[str, Figures] = {}
    with reporter.phase("networks", len(names) * len(kinds)) as advance:
        for name in names:
            for kind in kinds:
                found[f"{name}, {kind}"] = _once(runs, name, kind, cores)
                advance(f"{name}, {kind}")
    report = _report(settings, found, cores)
    report.save(results_folder(settings.out))
    return report


def _once(runs: Runs, name: str, kind: str, cores: tuple[str, ...]) -> Figures:
    about = {
        "evidence": NAME, "network": name, "share": SHARE, "kind": kind,
        "cores": cores, "examples": EXAMPLES,
    }  # fmt: skip
    return runs.once(
        about, lambda _: run_trial(name, SHARE, KINDS[kind], cores, EXAMPLES)
    )


def _report(
    settings: Settings, found: dict[str, Figures], cores: tuple[str, ...]
) -> Report:
    short = [core.removeprefix("cortex-").upper() for core in cores]
    rows = [(label, *_row(one, cores)) for label, one in found.items()]
    return report_of(
        name=NAME,
        settings=settings,
        title=(
            f"What is left at {SHARE:.0%} of the MACs, and the same network written in "
            "stock layers at those widths, with the same weights.",
            "Weights and the channels that stay are random.",
        ),
        tables=(Table((*HEADER, *short), tuple(rows)),),
        notes=(
            "Operators and shapes: of the .tflite file, one by one, inputs, weights "
            "and outputs with their types. File, by hand: bytes. Answers: values that "
            f"are the same to the last bit, on {EXAMPLES} random inputs.",
            *_counted(found),
        ),
        figures=found,
        files=(),
        seconds=sum(one["seconds"] for one in found.values()),
    )


def _row(one: Figures, cores: tuple[str, ...]) -> tuple[str, ...]:
    slim, hand = one["operators"][STRIPPED], one["operators"][WRITTEN]
    names = [[op for op, _ in ops] for ops in (slim, hand)]
    same = sum(a == b for a, b in zip(slim, hand, strict=False))
    most = max(len(slim), len(hand))
    values = one["values"]
    return (
        f"{len(slim)}, the same" if names[0] == names[1] else
        f"{len(slim)} instead of {len(hand)}",
        "all the same" if same == most else f"{most - same} others",
        f"{one['bytes'][STRIPPED]:,}",
        f"{one['bytes'][WRITTEN]:,}",
        f"{values - one['differing']:,} of {values:,}",
        *(_ratio(one["instructions"], core) for core in cores),
    )  # fmt: skip


def _ratio(counts: dict[str, Any] | None, core: str) -> str:
    if counts is None:
        return ""
    own, base = counts[STRIPPED][core], counts[WRITTEN][core]
    return f"{own / base - 1:+.3%}"


def _counted(found: dict[str, Figures]) -> tuple[str, ...]:
    if any(one["instructions"] is None for one in found.values()):
        return ("Without QEMU: no instructions counted.",)
    return (
        f"A53, A72, A76: instructions of an inference, stripped over by hand. {REMARK}",
    )
