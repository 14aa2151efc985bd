"""From what a device's tool printed, round by round, to a `BenchmarkResult`."""

import dataclasses
import shlex
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from keras_diffmask.export.benchmark_model import Figures, OpRow, spelled
from keras_diffmask.export.benchmarking.device_session import RESULT
from keras_diffmask.export.benchmarking.device_settings import DeviceSettings
from keras_diffmask.export.benchmarking.records import (
    ModelTimes,
    OpTable,
    OpTime,
    Tool,
)
from keras_diffmask.export.benchmarking.result import BenchmarkResult
from keras_diffmask.export.devices import Conditions, DeviceFacts, Shell
from keras_diffmask.export.devices.conditions import remarks
from keras_diffmask.export.machine import machine


@dataclass
class Setting:
    """Where and how it was measured.

    Attributes:
        shell: the device.
        facts: what it is.
        tool: the program; its kind is in `tool_kind`.
        settings: what was asked for.
        models: bytes by name.
        files: name -> name of the file on the device.
        folder: on the device.
        tool_kind: which of the two tools it has turned out to be.
    """

    shell: Shell
    facts: DeviceFacts
    tool: Tool
    settings: DeviceSettings
    models: dict[str, bytes]
    files: dict[str, str]
    folder: str = ""
    tool_kind: str = ""


@dataclass
class Found:
    """What has been measured so far.

    Attributes:
        rounds: of each model, one entry per round.
        memory: of each model, the run that watched it.
        ops: of each model, its operations, and what the whole took with them.
        conditions: of the device, before the first round and after each.
    """

    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    memory: dict[str, Figures] = field(default_factory=dict)
    ops: dict[str, tuple[Sequence[OpRow], float]] = field(default_factory=dict)
    conditions: list[Conditions] = field(default_factory=list)


def result_of(setting: Setting, found: Found, unfinished: str = "") -> BenchmarkResult:
    """Boils down what was found.

    Args:
        setting: where and how.
        found: at least one round of one model.
        unfinished: why there is no more.

    Returns:
        The result; models without a round are left out.
    """
    return BenchmarkResult(
        models=tuple(
            _model(name, len(content), found)
            for name, content in setting.models.items()
            if found.rounds.get(name)
        ),
        machine=machine(),
        device=setting.shell.address,
        threads=setting.settings.threads,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        facts=setting.facts,
        tool=dataclasses.replace(setting.tool, kind=setting.tool_kind),
        conditions=tuple(found.conditions),
        commands=tuple(_commands(setting)),
        remarks=tuple(
            remarks(found.conditions, setting.facts.core_mhz)
            + _unsaid(found, setting.settings)
        ),
        unfinished=unfinished,
    )


def _model(name: str, size: int, found: Found) -> ModelTimes:
    rounds = found.rounds[name]
    last, memory = rounds[-1], found.memory.get(name)
    runs = sum(one.runs for one in rounds)
    return ModelTimes(
        name=name,
        bytes=size,
        init_us=_middle(one.init_us for one in rounds),
        runs=runs,
        median_us=_middle(one.median_us for one in rounds),
        p5_us=_middle(one.p5_us for one in rounds),
        p95_us=_middle(one.p95_us for one in rounds),
        min_us=min(
            (one.min_us for one in rounds if one.min_us is not None), default=None
        ),
        mean_us=sum(one.mean_us * one.runs for one in rounds) / runs,
        round_us=tuple(one.typical_us for one in rounds),
        ops=_op_table(*found.ops.get(name, ((), 0.0))),
        note=_note(last),
        std_us=_middle(one.std_us for one in rounds),
        first_us=_middle(one.first_us for one in rounds),
        peak_mb=None if memory is None else memory.peak_mb,
        init_mb=_middle(one.init_mb for one in rounds),
        overall_mb=_middle(one.overall_mb for one in rounds),
        delegate=last.delegate,
        delegated=last.delegated,
        nodes=last.nodes,
        parts=last.parts,
        is_whole=last.is_whole,
    )


def _middle(values: Iterable[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return statistics.median(told) if told else None


def _note(figures: Figures) -> str:
    if figures.median_us is None:
        return (
            "this release of benchmark_model has no median and no percentiles; the "
            "ratio is that of averages."
        )
    return ""


def _op_table(rows: Sequence[OpRow], whole: float) -> OpTable | None:
    total = sum(row.mean_us for row in rows)
    if not total or not whole:
        return None
    ops = tuple(
        OpTime(index, row.kind, row.name, row.mean_us, row.mean_us / total)
        for index, row in enumerate(rows)
    )
    return OpTable(ops, total, whole, statistic="mean")


def _unsaid(found: Found, settings: DeviceSettings) -> list[str]:
    """Where the tool did not do, or did not say, what was asked for."""
    said = []
    every = [one for rounds in found.rounds.values() for one in rounds]
    if settings.delegate != "none" and not any(one.delegate for one in every):
        said.append(
            f"the tool names no delegate that ran (delegate={settings.delegate!r} was "
            "asked for)"
        )
    if (
        settings.per_op
        and found.memory
        and not any(rows for rows, _ in found.ops.values())
    ):
        said.append("the tool printed no table of operations")
    return said


def _commands(setting: Setting) -> list[str]:
    """What a person types to do the same by hand; the names are quoted."""
    shell, folder = setting.shell, setting.folder
    tool = f"{folder}/benchmark_model"
    lines = [shell.spell(f"mkdir {shlex.quote(folder)}")]
    lines.append(shell.spell_push(setting.tool.path, tool))
    lines.append(shell.spell(f"chmod 755 {shlex.quote(tool)}"))
    for name, file in setting.files.items():
        lines.append(shell.spell_push(f"{name}.tflite", f"{folder}/{file}"))
    for file in setting.files.values():
        request = setting.settings.timed(file, setting.tool_kind, RESULT)
        lines.append(shell.spell(spelled(folder, request, setting.tool.cores)))
    return [*lines, shell.spell(f"rm -rf {shlex.quote(folder)}")]
