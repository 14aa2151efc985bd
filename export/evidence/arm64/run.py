"""LiteRT on emulated Arm cores: its answers, and what a channel costs."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keras_diffmask.export.benchmarking.networks import depthwise_net, resnet8
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.emulation.cores import CORES
from keras_diffmask.export.emulation.environment import find_emulator
from keras_diffmask.export.emulation.measure import KERNELS
from keras_diffmask.export.emulation.result import REMARK
from keras_diffmask.export.evidence.arm64.trial import (
    OPERATORS,
    counts_of,
    operator,
    separable,
)
from keras_diffmask.export.evidence.report import Report, Table, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.evidence.tiny.networks import ds_cnn
from keras_diffmask.export.runs import Figures, Runs

NAME = "arm64"
NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "DS-CNN": ds_cnn,
    "ResNet-8": resnet8,
    "depthwise": depthwise_net,
}
SHARE, EXAMPLES, REPEATS = 0.3, 8, 3
WIDTHS = (8, 12, 15, 16, 17, 20, 23, 24, 25, 28, 31, 32, 33)
QUICK_WIDTHS = (16, 17)
FORMS = {"dense": None, "stripped": SHARE}


def arm64(settings: Settings, reporter: Reporter) -> Report:
    """Counts instructions on three cores, dense against stripped and by channels.

    Args:
        settings: what to do; nothing is trained, and no data is read.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `arm64.json` and the
        figures of each network under `runs`.

    Raises:
        DiffmaskError: the emulator is not there, or the folder cannot be used.
    """
    emulator = find_emulator()
    runs = Runs(results_folder(settings.out) / "runs")
    about = {"evidence": NAME, "qemu": emulator.version}
    names = tuple(NETWORKS)[: 1 if settings.quick else None]
    widths = QUICK_WIDTHS if settings.quick else WIDTHS
    cores = tuple(CORES)[-1:] if settings.quick else tuple(CORES)
    found: dict[str, Any] = {"networks": {}, "operators": {}, "widths": {}}
    steps = 4 * len(names) + len(OPERATORS) + len(widths)
    with reporter.phase("emulating", steps) as advance:
        for name in names:
            for form, share in FORMS.items():
                for kind in ("int8", "float32"):
                    # Counts of int8 files are repeated, for they are compared.
                    repeats = REPEATS if kind == "int8" else 1
                    asked = {
                        "network": name, "share": share, "quantization": kind,
                        "cores": cores, "examples": EXAMPLES, "repeats": repeats,
                    }  # fmt: skip
                    found["networks"][f"{name}, {form}, {kind}"] = runs.once(
                        {**about, **asked}, partial(_network, asked)
                    )
                    advance(f"{name}, {form}, {kind}")
        for name in OPERATORS:
            asked = {"operator": name, "cores": cores, "examples": EXAMPLES}
            found["operators"][name] = runs.once(
                {**about, **asked}, partial(_operator, asked)
            )
            advance(name)
        for width in widths:
            asked = {"network": "separable", "width": width, "cores": cores}
            found["widths"][str(width)] = runs.once(
                {**about, **asked}, partial(_width, asked)
            )
            advance(f"{width} channels")
    report = _report(settings, found, cores)
    report.save(results_folder(settings.out))
    return report


def _network(asked: dict[str, Any], unfinished: Path) -> Figures:
    return counts_of(
        NETWORKS[asked["network"]], asked["share"], asked["quantization"],
        asked["cores"], KERNELS, asked["examples"], asked["repeats"],
    )  # fmt: skip


def _operator(asked: dict[str, Any], unfinished: Path) -> Figures:
    def made() -> keras.Model:
        return operator(asked["operator"])

    return counts_of(
        made, None, "float32", asked["cores"], KERNELS, asked["examples"], 1
    )


def _width(asked: dict[str, Any], unfinished: Path) -> Figures:
    def made() -> keras.Model:
        return separable(asked["width"])

    return counts_of(made, None, "int8", asked["cores"], KERNELS[:1], 1, 1)


def _report(settings: Settings, found: dict[str, Any], cores: Sequence[str]) -> Report:
    networks, widths = found["networks"], found["widths"]
    rows = [_row(label, one, networks, cores) for label, one in networks.items()]
    steps = [_step(width, one, widths, cores) for width, one in widths.items()]
    short = [core.removeprefix("cortex-").upper() for core in cores]
    header = ("network", "MACs", "file", *short, "as on x86: XNNPACK", "reference")
    alone = [
        (name, *(_answers(one["answers"][kernels]) for kernels in KERNELS))
        for name, one in found["operators"].items()
    ]
    every = [one for part in found.values() for one in part.values()]
    return report_of(
        name=NAME,
        settings=settings,
        title=(
            "LiteRT for aarch64 on emulated Cortex cores: instructions of one "
            "inference with XNNPACK, in thousands, and stripped over dense.",
            REMARK,
        ),
        tables=(
            Table(header, tuple(rows)),
            Table(("float32, alone", "as on x86: XNNPACK", "reference"), tuple(alone)),
            Table(("channels", *(f"{core}, and over the row above" for core in short)),
                  tuple(steps)),
        ),
        notes=_notes(networks),
        figures=found,
        files=(),
        seconds=sum(one["seconds"] for one in every),
    )  # fmt: skip


def _row(
    label: str, one: Figures, networks: dict[str, Figures], cores: Sequence[str]
) -> tuple[str, ...]:
    dense = networks[label.replace("stripped", "dense")]
    cells = []
    for core in cores:
        own, base = (figures["instructions"][core][0] for figures in (one, dense))
        ratio = "" if one is dense else f" ({own / base:.3f})"
        cells.append(f"{own / 1000:,.1f}{ratio}")
    answers = [_answers(one["answers"][kernels]) for kernels in KERNELS]
    return (label, f"{one['macs']:,}", f"{one['file_bytes']:,}", *cells, *answers)


def _answers(found: Figures) -> str:
    if not found["differing"]:
        return f"all {found['values']:,}"
    same = found["values"] - found["differing"]
    return f"{same:,} of {found['values']:,} (within {found['relative']:.0e})"


def _step(
    width: str, one: Figures, widths: dict[str, Figures], cores: Sequence[str]
) -> tuple[str, ...]:
    before = dict(zip(tuple(widths)[1:], widths, strict=False)).get(width)
    cells = []
    for core in cores:
        own = one["instructions"][core][0]
        change = ""
        if before is not None:
            change = f" ({own / widths[before]['instructions'][core][0] - 1:+.0%})"
        cells.append(f"{own:,}{change}")
    return (width, *cells)


def _notes(networks: dict[str, Figures]) -> tuple[str, ...]:
    repeated = [
        counts
        for one in networks.values()
        for counts in one["instructions"].values()
        if len(counts) > 1
    ]
    equal = sum(len(set(counts)) == 1 for counts in repeated)
    return (
        f"Counted in {REPEATS} processes each: {equal} of {len(repeated)} counts of "
        "int8 files are the same to the instruction.",
        "As on x86: values that LiteRT answers on both, bit for bit, with the same "
        "kernels; in brackets the largest difference over the largest value. Integers "
        "are equal. Of floats, an operator that sums in another order there, or fuses "
        "sums with products, ends a bit apart.",
        "A channel beyond a multiple of what a kernel does at once costs a whole one "
        "more: hence the targets' channel multiples.",
    )
