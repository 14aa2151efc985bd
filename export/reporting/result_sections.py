"""What the figures come to: the tiles and the table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_diffmask.export.reporting.compare import (
    NO_DIFFERENCE,
    Cell,
    Measure,
    measures,
)
from keras_diffmask.export.reporting.escape import Markup, join, tag

if TYPE_CHECKING:
    from keras_diffmask.export.reporting.document import Report

# With more models the table says it better.
_MOST_WITH_TILES = 4


def dot(class_: str) -> Markup:
    """The colour of a model, beside its name."""
    return tag("i", class_=f"dot {class_}", aria_hidden="true")


def tiles(report: "Report", colours: dict[str, str]) -> Markup | None:
    """Every model's ratios in large figures."""
    base, *others = report.models
    if not others or len(others) > _MOST_WITH_TILES:
        return None
    rows = measures(report)
    parts = []
    for place, model in enumerate(others, 1):
        found = [_tile(row, place) for row in rows if row.cells[place].chip]
        if not found:
            continue
        if len(others) > 1:
            head = join(dot(colours[model.name]), f"{model.name} over {base.name}")
            parts.append(tag("h3", head, class_="who"))
        parts.append(tag("ul", *found, class_="tiles"))
    return join(*parts) if parts else None


def _tile(row: Measure, place: int) -> Markup:
    before, cell = row.cells[0], row.cells[place]
    is_long = cell.chip == NO_DIFFERENCE or "points" in cell.chip
    classes = f"{'long ' if is_long else ''}{cell.tone}".strip()
    return tag(
        "li",
        tag("span", row.label, class_="what"),
        tag("b", cell.chip, class_=classes),
        tag("span", f"{before.short} → {cell.short}") if before.short else None,
        tag("span", cell.spread, " ", tag("span", "(5 to 95 %)", class_="whole"))
        if cell.spread
        else None,
        class_="tile",
    )


def table(report: "Report", colours: dict[str, str]) -> Markup:
    """Measures down, models across: two or three fit a phone."""
    rows = measures(report)
    head = [
        tag("th", join(dot(colours[model.name]), model.name), scope="col")
        for model in report.models
    ]
    kinds = [Cell(value=model.quantization) for model in report.models]
    body = [*(_row(row) for row in rows), _row(Measure("Precision", "", tuple(kinds)))]
    return scrollable(
        tag(
            "table",
            tag("caption", "All models, ratios over the first", class_="away"),
            tag("thead", tag("tr", tag("td"), *head)),
            tag("tbody", *body),
            class_="main",
            style=f"--n:{len(report.models)}",
        ),
        "All models",
    )


def _row(row: Measure) -> Markup:
    label = join(row.label, tag("span", row.note, class_="sub") if row.note else None)
    return tag("tr", tag("th", label, scope="row"), *map(_cell, row.cells))


def _cell(cell: Cell) -> Markup:
    if not cell.value:
        why = tag("span", cell.detail, class_="sub") if cell.detail else None
        return tag("td", tag("span", "not measured", class_="none"), why)
    chip = tag("span", cell.chip, class_=f"chip {cell.tone}") if cell.chip else None
    return tag(
        "td",
        tag("span", cell.value, class_="num"),
        tag("span", cell.detail, class_="sub") if cell.detail else None,
        chip,
        tag("span", cell.spread, class_="sub") if cell.spread else None,
    )


def scrollable(content: Markup, name: str) -> Markup:
    """What may be wider than a phone scrolls by itself, with the keyboard too."""
    return tag(
        "div", content, class_="scroll", tabindex="0", role="region", aria_label=name
    )


def listing(items: Sequence[object]) -> Markup:
    """A list without bullets."""
    return tag("ul", *(tag("li", item) for item in items), class_="plain")
