"""The two written forms of a benchmark: a table to read, JSON to keep."""

import json
import textwrap
from typing import TYPE_CHECKING, Any

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.benchmarking.records import (
    Machine,
    ModelTimes,
    OpTable,
    OpTime,
)

if TYPE_CHECKING:
    from keras_diffmask.export.benchmarking.result import BenchmarkResult

FORMAT = "keras_diffmask.benchmark/1"


def render(result: "BenchmarkResult") -> str:
    """Lays a result out as text.

    Args:
        result: what `benchmark` returned.

    Returns:
        Lines of text; times in microseconds, ratios against the first model.
    """
    machine = result.machine
    first = result.models[0].name
    rows: list[tuple[str, ...]] = [
        ("model", "bytes", "median", "p5", "p95", "min", "mean", "runs", "init")
        + (f"time / {first} (p5..p95)",)
    ]
    for model in result.models:
        times = (model.median_us, model.p5_us, model.p95_us, model.min_us)
        rows.append(
            (model.name, f"{model.bytes:,}")
            + tuple(f"{value:,.1f}" for value in (*times, model.mean_us))
            + (f"{model.runs:,}", f"{model.init_us:,.0f}")
            + (str(result.ratio(model.name, first)),)
        )
    threads = f"{result.threads} thread" + "s" * (result.threads > 1)
    lines = [
        f"{machine.cpu}, {machine.cores} cores, {threads}; {machine.system}",
        ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
        + "; times in microseconds, LiteRT's interpreter with XNNPACK",
        "",
        *_columns(rows),
    ]
    for model in result.models:
        lines += textwrap.wrap(f"{model.name}: {model.note}", 118) if model.note else []
    for model in result.models:
        if model.ops is not None:
            lines += ["", *_op_lines(model.name, model.ops)]
    return "\n".join(lines)


def _op_lines(name: str, table: OpTable) -> list[str]:
    rows: list[tuple[str, ...]] = [("#", "op", "median", "share", "output")]
    for op in table.ops:
        median = "not timed" if op.median_us is None else f"{op.median_us:,.2f}"
        share = "" if op.share is None else f"{op.share:.1%}"
        rows.append((str(op.index), op.op, median, share, _tail(op.output)))
    fraction = table.sum_us / table.whole_us
    return [
        f"{name}: each operation alone; sum {table.sum_us:,.1f}, whole model "
        f"{table.whole_us:,.1f} ({fraction:.0%})",
        *_columns(rows),
    ]


def _tail(name: str, longest: int = 48) -> str:
    # The converter joins the names of all that it fused; the end tells most.
    return name if len(name) <= longest else "..." + name[3 - longest :]


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    numeric = [
        all(cell[:1].isdigit() or cell in ("", "not timed") for cell in column)
        for column in zip(*rows[1:], strict=True)
    ]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]


def decode(text: str) -> "BenchmarkResult":
    """Reads the JSON document of a result.

    Args:
        text: what `BenchmarkResult.to_json` wrote.

    Returns:
        The result.

    Raises:
        ArtifactError: the text is not such a document.
    """
    from keras_diffmask.export.benchmarking.result import BenchmarkResult

    try:
        document = json.loads(text)
        if document.pop("format") != FORMAT:
            raise ValueError("another format")
        document["machine"] = Machine(**document["machine"])
        document["models"] = tuple(_model(entry) for entry in document["models"])
        return BenchmarkResult(**document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        start = text[:40]
        raise ArtifactError(
            f"the JSON document of a benchmark (format {FORMAT!r})",
            f"text={start!r}",
            "Pass the text that BenchmarkResult.to_json() or .save() wrote.",
        ) from error


def _model(entry: dict[str, Any]) -> ModelTimes:
    table = entry.pop("ops")
    if table is not None:
        ops = tuple(OpTime(**op) for op in table.pop("ops"))
        table = OpTable(ops=ops, **table)
    return ModelTimes(ops=table, round_us=tuple(entry.pop("round_us")), **entry)
