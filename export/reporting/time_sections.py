"""Latency, and where within a model the time goes."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_diffmask.export.reporting import svg, words
from keras_diffmask.export.reporting.css import SERIES
from keras_diffmask.export.reporting.escape import Markup, breakable, join, tag, text
from keras_diffmask.export.reporting.pairing import OpRow, paired, tail
from keras_diffmask.export.reporting.records import Times, Timing
from keras_diffmask.export.reporting.result_sections import dot, listing, scrollable
from keras_diffmask.export.reporting.strips import latency_strips, ratio_strips

# What heads a column, which field of `Times` stands in it, and how it is written.
Column = tuple[str, str, Callable[[Any], str]]

_FIGURES = (
    ("median", "median"),
    ("5 %", "p5"),
    ("95 %", "p95"),
    ("least", "minimum"),
    ("mean", "mean"),
    ("deviation", "deviation"),
    ("first", "first"),
    ("loading", "init"),
)
# A drawing of more operations is no longer looked at.
_MOST_OPS = 16


def latency(timing: Timing, colours: dict[str, str], base: str) -> Markup:
    """Strips, and the same as numbers."""
    notes = [join(remark) for remark in timing.remarks]
    notes += [
        join(tag("b", one.name), ": ", one.note) for one in timing.models if one.note
    ]
    return join(
        latency_strips(timing, colours),
        ratio_strips(timing, colours, base),
        listing(notes) if notes else None,
        tag("details", tag("summary", "The numbers"), _numbers(timing, colours)),
        tag("details", tag("summary", "The device and its software"), _device(timing)),
    )


def _numbers(timing: Timing, colours: dict[str, str]) -> Markup:
    scale, unit = words.micro_unit([one.typical for one in timing.models])
    columns = [
        (label, field, write)
        for label, field, write in _columns(scale)
        if any(getattr(one, field) not in (None, "") for one in timing.models)
    ]
    head = [tag("th", f"times in {unit}", scope="col")]
    head += [
        tag("th", label, scope="col", class_="num" if field != "delegate" else None)
        for label, field, _ in columns
    ]
    rows = [_number_row(one, columns, colours) for one in timing.models]
    content = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *rows))
    return scrollable(content, f"Times on {timing.label}")


def _columns(scale: float) -> list[Column]:
    times: list[Column] = [
        (label, field, lambda us: words.number(us / scale)) for label, field in _FIGURES
    ]
    return [
        *times,
        ("runs", "runs", words.count),
        ("peak MB", "peak_mb", lambda mb: f"{mb:,.1f}"),
        ("ran on", "delegate", str),
    ]


def _number_row(
    one: Times, columns: Sequence[Column], colours: dict[str, str]
) -> Markup:
    cells = []
    for _, field, write in columns:
        value = getattr(one, field)
        is_missing = value in (None, "")
        content = tag("span", "not said", class_="none") if is_missing else write(value)
        cells.append(tag("td", content, class_="num" if field != "delegate" else None))
    name = join(dot(colours.get(one.name, SERIES[0])), one.name)
    return tag("tr", tag("th", name, scope="row"), *cells)


def _device(timing: Timing) -> Markup:
    facts = list(timing.facts)
    if timing.threads is not None:
        facts.append(("threads", str(timing.threads)))
    facts.append(("measured", timing.created))
    known = definitions([fact for fact in facts if fact[1]])
    return join(known, typed(timing.commands) if timing.commands else None)


def typed(commands: Sequence[str]) -> Markup:
    """Commands as they are typed, one per line."""
    # Escaped one by one: as one text they would become one line.
    return tag("pre", Markup("\n".join(text(command) for command in commands)))


def definitions(facts: Sequence[tuple[object, object]]) -> Markup:
    """Words and what they stand for."""
    return tag("dl", *(join(tag("dt", key), tag("dd", value)) for key, value in facts))


def operations(timing: Timing, colours: dict[str, str]) -> Markup | None:
    """Bars per operation, all models side by side; None where none was timed."""
    models = [one for one in timing.models if one.ops]
    if not models:
        return None
    rows = paired(models)
    scale, unit = words.micro_unit([row.most for row in rows])
    classes = [colours.get(one.name, SERIES[0]) for one in models]
    legend = [
        tag("li", join(dot(class_), one.name))
        for class_, one in zip(classes, models, strict=True)
    ]
    limit = sorted((row.most for row in rows), reverse=True)[:_MOST_OPS][-1]
    shown = [row for row in rows if row.most >= limit]
    what = "Time of each operation"
    if len(shown) < len(rows):
        what = f"The {len(shown)} longest of {len(rows)} operations"
    top = max(row.most for row in rows) or 1.0
    return join(
        tag("figure",
            tag("figcaption", tag("b", what), f", {unit}, in order of execution."),
            tag("ul", *legend, class_="legend"),
            *(_op_bars(row, classes, models, top, scale) for row in shown)),
        _sums(models),
        tag("details", tag("summary", "As a table"),
            _op_table(rows, models, scale, unit)),
    )  # fmt: skip


def _op_bars(
    row: OpRow,
    classes: Sequence[str],
    models: Sequence[Times],
    top: float,
    scale: float,
) -> Markup:
    """An operation's bars, each with its number beside it."""
    lines = [
        tag(
            "div",
            svg.bar([((us or 0.0) / top, class_)], height=8),
            tag("span", tag("span", f"{one.name}: ", class_="away"),
                _time(us, there, scale), class_="num"),
            class_="pair",
        )
        for us, there, class_, one in zip(
            row.us, row.present, classes, models, strict=True
        )
    ]  # fmt: skip
    name = tag("span", row.op)
    sub = tag("span", breakable(tail(row.output)), class_="sub")
    return tag("div", tag("div", name, sub, class_="name"), tag("div", *lines),
               class_="row op")  # fmt: skip


def _op_table(
    rows: Sequence[OpRow], models: Sequence[Times], scale: float, unit: str
) -> Markup:
    head = [
        tag("th", f"{one.name}, {unit}", scope="col", class_="num") for one in models
    ]
    body = [
        tag(
            "tr",
            tag("td", str(place), class_="num"),
            tag("th", row.op, scope="row"),
            *(
                tag("td", _time(us, there, scale), class_="num")
                for us, there in zip(row.us, row.present, strict=True)
            ),
            tag("td", row.output, class_="long"),
        )
        for place, row in enumerate(rows)
    ]
    first = [
        tag("th", "#", scope="col", class_="num"),
        tag("th", "operation", scope="col"),
    ]
    last = tag("th", "writes", scope="col")
    content = tag(
        "table", tag("thead", tag("tr", *first, *head, last)), tag("tbody", *body)
    )
    return scrollable(content, "Operations")


def _time(us: float | None, is_there: bool, scale: float) -> str | Markup:
    if not is_there:
        return tag("span", "gone", class_="none")
    if us is None:
        return tag("span", "not timed", class_="none")
    return words.number(us / scale)


def _sums(models: Sequence[Times]) -> Markup | None:
    """How well the parts add up: an operation alone pays for a call of its own."""
    found = []
    for one in models:
        if one.ops_sum and one.ops_whole:
            share = words.percent(one.ops_sum / one.ops_whole, 0)
            found.append(f"{one.name} {words.time(one.ops_sum)}, {share} of the whole")
    if not found:
        return None
    kind = f"Sums of the {models[0].ops_are}s"
    more = "; where each is called alone, each pays for the call."
    return tag("p", f"{kind}: {'; '.join(found)}{more}", class_="lead")
