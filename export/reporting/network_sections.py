"""Bytes and arena, and what the strip left of the network."""

from collections.abc import Callable, Sequence

from keras_diffmask.export.reporting import svg, words
from keras_diffmask.export.reporting.css import SERIES
from keras_diffmask.export.reporting.escape import Markup, join, tag
from keras_diffmask.export.reporting.network_records import (
    Kept,
    KeptRow,
)
from keras_diffmask.export.reporting.records import (
    ModelFacts,
)
from keras_diffmask.export.reporting.result_sections import dot, listing

_MOST_ROWS = 40


def sizes(models: Sequence[ModelFacts], colours: dict[str, str]) -> Markup:
    """Bars of the files, and of TFLM's arenas where they are known."""
    notes = {one.arena_note for one in models if one.arena_bytes is None}
    return join(
        _size_bars(
            "File", "the .tflite, bytes", models, colours, lambda one: one.bytes
        ),
        _size_bars(
            "Arena",
            "what TFLM's interpreter takes here, bytes; an estimate for a board",
            models,
            colours,
            lambda one: one.arena_bytes,
        ),
        tag("p", f"No arena where {words.listed(sorted(notes))}.", class_="lead")
        if any(notes)
        else None,
    )


def _size_bars(
    title: str,
    more: str,
    models: Sequence[ModelFacts],
    colours: dict[str, str],
    value: Callable[[ModelFacts], int | None],
) -> Markup | None:
    known = [(one, value(one)) for one in models]
    top = max((size for _, size in known if size is not None), default=0)
    if not top:
        return None
    rows = []
    for one, size in known:
        if size is None:
            continue
        class_ = colours[one.name]
        name = tag("span", join(dot(class_), one.name))
        figure = tag("span", words.count(size), class_="sub")
        picture = svg.bar([(size / top, class_)], height=14)
        rows.append(
            tag("div", tag("div", name, figure, class_="name"), picture, class_="row")
        )
    caption = tag("figcaption", tag("b", title), f": {more}.")
    return tag("figure", caption, *rows)


def kept(one: Kept) -> Markup:
    """Every layer, how much of it stayed, and why."""
    shown, rest = one.rows[:_MOST_ROWS], one.rows[_MOST_ROWS:]
    parts: list[Markup | None] = [_totals(one), _kept_table(shown)]
    if rest:
        more = tag("summary", f"{words.plural(len(rest), 'further layer')}")
        parts.append(tag("details", more, _kept_table(rest)))
    if one.branches:
        parts.append(tag("h3", "Branches that went whole"))
        parts.append(listing(one.branches))
    reasons = _reasons(one.rows)
    if reasons:
        head = tag("summary", "What stayed, and why")
        parts.append(tag("details", head, _reason_list(reasons), open=True))
    return join(*parts)


def _totals(one: Kept) -> Markup | None:
    pairs = (("MACs", one.macs), ("parameters", one.parameters))
    lines = [
        f"{what}: {pair[0]:,} → {pair[1]:,}"
        + (f" ({words.percent(pair[1] / pair[0], 1)})" if pair[0] else "")
        for what, pair in pairs
        if pair is not None
    ]
    return listing(lines) if lines else None


def _kept_table(rows: Sequence[KeptRow]) -> Markup:
    head = tag(
        "tr",
        tag("th", "layer", scope="col"),
        tag("td", class_="bar"),
        tag("th", "kept", scope="col", class_="num wide"),
        tag("th", "share", scope="col", class_="num"),
    )
    body = [
        tag(
            "tr",
            tag("th", row.name, scope="row"),
            tag("td", svg.bar([(row.kept / row.total, SERIES[1])]), class_="bar"),
            tag("td", f"{row.kept:,} of {row.total:,}", class_="num wide"),
            tag("td", words.percent(row.kept / row.total, 0), class_="num"),
        )
        for row in rows
    ]
    return tag("table", tag("thead", head), tag("tbody", *body), class_="bars")


def _reasons(rows: Sequence[KeptRow]) -> dict[str, list[str]]:
    """Reason -> names of the layers, since many layers share one."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for reason in row.reasons:
            found.setdefault(reason, []).append(row.name)
    return found


def _reason_list(reasons: dict[str, list[str]]) -> Markup:
    return listing(
        [join(tag("b", ", ".join(names)), ": ", why) for why, names in reasons.items()]
    )
