"""The same figures as Markdown, for a pull request or a README."""

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from keras_diffmask.export.reporting import compare, words
from keras_diffmask.export.reporting.escape import code, markdown
from keras_diffmask.export.reporting.network_records import (
    Kept,
)
from keras_diffmask.export.reporting.pairing import paired, tail
from keras_diffmask.export.reporting.records import (
    ModelFacts,
    Timing,
)

if TYPE_CHECKING:
    from keras_diffmask.export.reporting.document import Report


def render(report: "Report") -> str:
    """The report as GitHub's Markdown; whatever text it holds is escaped."""
    parts = [f"# {markdown(report.title)}"]
    parts += [markdown(sentence) for sentence in compare.headline(report)]
    parts.append(_main(report))
    for timing in report.timings:
        parts += _timing(timing)
    for one in report.kept:
        parts += _kept(one)
    parts += _curves(report)
    parts += _targets(report.models)
    parts += _files(report.models)
    parts += _versions(report)
    return "\n\n".join(parts) + "\n"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], texts: Sequence[int] = (0,)
) -> str:
    """A table of escaped cells; numbers stand right, columns of `texts` left."""
    marks = ["---" if place in texts else "---:" for place in range(len(head))]
    lines = [head, marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _main(report: "Report") -> str:
    rows = []
    for row in compare.measures(report):
        note = f" ({row.note})" if row.note else ""
        rows.append([markdown(row.label + note), *map(_cell, row.cells)])
    kinds = [markdown(model.quantization) for model in report.models]
    rows.append(["Precision", *kinds])
    return table(["", *(markdown(model.name) for model in report.models)], rows)


def _cell(cell: compare.Cell) -> str:
    if not cell.value:
        return markdown(f"not measured: {cell.detail}" if cell.detail else "")
    more = f" ({cell.detail})" if cell.detail else ""
    chip = f", **{markdown(cell.chip)}**" if cell.chip else ""
    spread = f" ({markdown(cell.spread)})" if cell.spread else ""
    return markdown(cell.value + more) + chip + spread


def _timing(timing: Timing) -> list[str]:
    threads = ""
    if timing.threads is not None:
        threads = f", {words.plural(timing.threads, 'thread')}"
    parts = [f"## Latency on {markdown(timing.label)}{threads}"]
    facts = ", ".join(f"{key} {value}" for key, value in timing.facts)
    parts.append(
        markdown(f"Measured {words.moment(timing.created)} ({timing.device}; {facts}).")
    )
    parts += [markdown(remark) for remark in timing.remarks]
    parts += [markdown(f"{one.name}: {one.note}") for one in timing.models if one.note]
    models = [one for one in timing.models if one.ops]
    if not models:
        return parts
    rows = paired(models)
    scale, unit = words.micro_unit([row.most for row in rows])
    head = ["operation", "output", *(markdown(f"{one.name}, {unit}") for one in models)]
    body = [
        [
            markdown(row.op),
            markdown(tail(row.output)),
            *(
                "gone" if not there else _number(us, scale)
                for us, there in zip(row.us, row.present, strict=True)
            ),
        ]
        for row in rows
    ]
    return [*parts, "Time of each operation:", table(head, body, texts=(0, 1))]


def _number(us: float | None, scale: float) -> str:
    return "not timed" if us is None else words.number(us / scale)


def _kept(one: Kept) -> list[str]:
    rows = [
        [
            markdown(row.name),
            f"{row.kept:,} of {row.total:,}",
            words.percent(row.kept / row.total, 0),
            markdown("; ".join(row.reasons)),
        ]
        for row in one.rows
    ]
    head = ["layer", "kept", "share", "why it stays"]
    return [
        f"## What was kept of {markdown(one.label)}",
        table(head, rows, texts=(0, 3)),
        *(f"Branch that went whole: {markdown(branch)}" for branch in one.branches),
    ]


def _curves(report: "Report") -> list[str]:
    parts = []
    if report.front is not None:
        front = report.front
        rows = [
            [markdown(one.budget), words.percent(one.cost, 1), f"{one.score:.4g}"]
            for one in front.points
        ]
        head = ["budget", markdown(front.cost), markdown(front.metric)]
        parts += ["## One run, a curve", table(head, rows)]
        parts += [front.note] if front.note else []
    if report.search is not None:
        rows = [
            [
                markdown(cost.name),
                words.percent(cost.values[-1], 1),
                words.percent(cost.targets[-1], 1),
            ]
            for cost in report.search.costs
        ]
        head = ["cost", "at the end", "target"]
        parts += ["## The search", table(head, rows)]
    return parts


def _targets(models: Sequence[ModelFacts]) -> list[str]:
    head = ["target", *(markdown(one.name) for one in models)]
    rows = [
        [
            markdown(fit.target),
            *(
                "yes"
                if not one.fits[place].reason
                else markdown(f"no: {one.fits[place].reason}")
                for one in models
            ),
        ]
        for place, fit in enumerate(models[0].fits)
    ]
    return ["## Targets", table(head, rows, texts=range(len(head)))]


def _files(models: Sequence[ModelFacts]) -> list[str]:
    rows = [
        [
            markdown(one.name),
            markdown(", ".join(f"{count} {op}" for op, count in one.ops)),
            code(shlex.quote(one.path)) if one.path else "",
            code(one.sha256),
        ]
        for one in models
    ]
    head = ["model", "operators", "path", "SHA-256"]
    return ["## The files", table(head, rows, texts=range(len(head)))]


def _versions(report: "Report") -> list[str]:
    found = ", ".join(f"{name} {version}" for name, version in report.versions)
    parts = ["## Versions and commands", markdown(found)]
    parts += [code(command) for command in report.commands]
    parts.append(markdown(f"Made {words.moment(report.created)}."))
    return parts
