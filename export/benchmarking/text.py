"""A benchmark as a table to read."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_diffmask.export.benchmarking.records import ModelTimes, OpTable, Tool
from keras_diffmask.export.devices import Conditions, DeviceFacts

if TYPE_CHECKING:
    from keras_diffmask.export.benchmarking.result import BenchmarkResult

#: What nobody has told.
NOTHING = "-"
_WIDTH = 118
_TOOLS = {
    "interpreter": "benchmark_model (Interpreter)",
    "compiled_model": "benchmark_model (CompiledModel)",
}


def render(result: "BenchmarkResult") -> str:
    """Lays a result out as text.

    Args:
        result: what `benchmark` returned.

    Returns:
        Lines of text; times in microseconds, ratios against the first model.
    """
    first = result.models[0].name
    rows: list[tuple[str, ...]] = [
        ("model", "bytes", "median", "p5", "p95", "min", "mean", "std", "runs", "init")
        + ("first", "peak MB", f"time / {first} (p5..p95)")
    ]
    for model in result.models:
        times = (model.median_us, model.p5_us, model.p95_us, model.min_us)
        rows.append(
            (model.name, f"{model.bytes:,}")
            + tuple(_us(value) for value in (*times, model.mean_us, model.std_us))
            + (f"{model.runs:,}", _us(model.init_us, 0), _us(model.first_us, 0))
            + (_us(model.peak_mb), str(result.ratio(model.name, first)))
        )
    rows = _without_empty(rows, "peak MB")
    lines = [*_head(result), "", *_columns(rows)]
    for model in result.models:
        for text in filter(None, (_delegated(model), model.note)):
            lines += textwrap.wrap(f"{model.name}: {text}", _WIDTH)
    for remark in result.remarks:
        lines += textwrap.wrap(f"note: {remark}.", _WIDTH)
    if result.unfinished:
        lines += textwrap.wrap(f"unfinished: {result.unfinished}", _WIDTH)
    for model in result.models:
        if model.ops is not None:
            lines += ["", *_op_lines(model.name, model.ops)]
    return "\n".join(lines)


def _us(value: float | None, digits: int = 1) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def _head(result: "BenchmarkResult") -> list[str]:
    threads = f"{result.threads} thread" + "s" * (result.threads > 1)
    if result.facts is not None and result.tool is not None:
        return [
            _device(result.device, result.facts),
            _tool(result.tool) + f", {threads}; times in microseconds",
            *(_weather(result.conditions) if result.conditions else ()),
        ]
    machine = result.machine
    return [
        f"{machine.cpu}, {machine.cores} cores, {threads}; {machine.system}",
        ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
        + "; times in microseconds, LiteRT's interpreter with XNNPACK",
    ]


def _device(device: str, facts: DeviceFacts) -> str:
    told = [
        facts.model,
        facts.soc,
        facts.system and facts.system + (f" (SDK {facts.sdk})" if facts.sdk else ""),
        ", ".join(facts.abis[:1]),
        f"{len(facts.core_mhz)} cores" if facts.core_mhz else "",
        f"governor {'/'.join(facts.governors)}" if facts.governors else "",
    ]
    return f"{', '.join(filter(None, told))} [{device}]"


def _tool(tool: Tool) -> str:
    cores = "all cores" if tool.cores is None else f"cores {tool.cores}"
    name = _TOOLS.get(tool.kind, tool.kind)
    return f"{name} sha256 {tool.sha256[:12]}, delegate={tool.delegate}, {cores}"


def _delegated(model: ModelTimes) -> str:
    """Who ran it, in words; nothing where the tool did not say."""
    if model.delegate is None:
        return ""
    how_much = {True: "the whole model", False: "a part of it", None: "it"}
    text = f"{model.delegate} ran {how_much[model.is_whole]}"
    if model.delegated is not None and model.nodes is not None:
        text += f", {model.delegated} of {model.nodes} operations"
    if model.parts is not None and model.parts > 1:
        text += f", in {model.parts} pieces"
    return text


def _weather(seen: Sequence[Conditions]) -> list[str]:
    """Temperatures from the first look to the last, where there are any."""
    parts = [
        f"{name} {first:.1f} to {last:.1f} degrees C"
        for name, first, last in (
            ("chip", seen[0].chip_celsius, seen[-1].chip_celsius),
            ("battery", seen[0].battery_celsius, seen[-1].battery_celsius),
        )
        if first is not None and last is not None
    ]
    status = seen[-1].thermal_status
    if status is not None:
        parts.append(f"thermal status {status}")
    return [", ".join(parts)] if parts else []


def _op_lines(name: str, table: OpTable) -> list[str]:
    rows: list[tuple[str, ...]] = [("#", "op", table.statistic, "share", "output")]
    for op in table.ops:
        median = "not timed" if op.median_us is None else f"{op.median_us:,.2f}"
        share = "" if op.share is None else f"{op.share:.1%}"
        rows.append((str(op.index), op.op, median, share, _tail(op.output)))
    fraction = table.sum_us / table.whole_us
    how = "each operation alone" if table.statistic == "median" else "its operations"
    return [
        f"{name}: {how}; sum {table.sum_us:,.1f}, whole model "
        f"{table.whole_us:,.1f} ({fraction:.0%})",
        *_columns(rows),
    ]


def _tail(name: str, longest: int = 48) -> str:
    # The converter joins the names of all that it fused; the end tells most.
    return name if len(name) <= longest else "..." + name[3 - longest :]


def _without_empty(rows: list[tuple[str, ...]], title: str) -> list[tuple[str, ...]]:
    """Leaves a column out that no row has anything in."""
    place = rows[0].index(title)
    if any(row[place] != NOTHING for row in rows[1:]):
        return rows
    return [row[:place] + row[place + 1 :] for row in rows]


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    numeric = [
        all(cell[:1].isdigit() or cell in ("", NOTHING, "not timed") for cell in column)
        for column in zip(*rows[1:], strict=True)
    ]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]
