"""Latency with its spread: a strip per model, every round a dot."""

from collections.abc import Sequence

from keras_diffmask.export.reporting import svg, words
from keras_diffmask.export.reporting.css import SERIES
from keras_diffmask.export.reporting.escape import Markup, join, tag
from keras_diffmask.export.reporting.records import (
    Quotient,
    Times,
    Timing,
)

_HEIGHT = 34
# Rounds that a neighbour disturbed would press all others together.
_BEYOND = 1.25


def latency_strips(timing: Timing, colours: dict[str, str]) -> Markup | None:
    """Median, 5 to 95 %, and rounds of every model, on one axis from 0.

    Args:
        timing: the benchmark.
        colours: name of a model -> class.
    """
    known = [one for one in timing.models if one.typical is not None]
    if not known:
        return None
    top = max(max(one.typical or 0.0, one.p95 or 0.0) for one in known)
    furthest = max((max(one.rounds, default=0.0) for one in known), default=0.0)
    top = min(max(top, furthest), top * _BEYOND) * 1.02
    scale, unit = words.micro_unit([top])
    places = [(tick * scale / top, _short(tick)) for tick in svg.ticks(top / scale)]
    rows = [_strip(one, top, places, colours.get(one.name, SERIES[0])) for one in known]
    kind = known[0].typical_is
    hidden = sum(value > top for one in known for value in one.rounds)
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("b", "Time of one inference"),
            f", {unit}. A line at the {kind}, a band from 5 to 95 %, a dot per round.",
            f" Beyond the right edge: {words.plural(hidden, 'round')}."
            if hidden
            else None,
        ),
        *rows,
        _axis_row(places),
    )


def ratio_strips(timing: Timing, colours: dict[str, str], base: str) -> Markup | None:
    """Every round's time over the first model's, with a line at 1."""
    if not timing.ratios:
        return None
    top = max(1.12, max(one.p95 for one in timing.ratios) * 1.05)
    places = [(tick / top, f"{tick:g}") for tick in svg.ticks(top)]
    rounds = {one.name: one.compared for one in timing.models}
    of = "by the fastest inference of each" if timing.is_of_fastest else "within each"
    rows = []
    for one in timing.ratios:
        quotients = _quotients(rounds.get(one.name, ()), rounds.get(base, ()))
        rows.append(_ratio(one, quotients, top, places, colours[one.name]))
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("b", f"Time over {base}"),
            f", {of} round: what disturbs a round disturbs both. Where the band "
            "reaches the dashed line at 1, no difference was seen.",
        ),
        *rows,
        _axis_row(places),
    )


def _strip(
    one: Times, top: float, places: Sequence[tuple[float, str]], class_: str
) -> Markup:
    median = one.typical or 0.0
    said = words.time(median)
    if one.p5 is not None and one.p95 is not None:
        said += f", 5 to 95 %: {words.times(one.p5, one.p95)}"
    if one.rounds:
        said += f", {words.plural(len(one.rounds), 'round')}"
    marks = _marks(one.rounds, (one.p5, median, one.p95), top, class_)
    picture = svg.drawing(
        _HEIGHT,
        svg.lines([place for place, _ in places], _HEIGHT),
        *marks,
        title=f"Time of {one.name}",
        said=said,
    )
    return _row(one.name, words.time(median), class_, picture)


def _ratio(
    one: Quotient,
    quotients: Sequence[float],
    top: float,
    places: Sequence[tuple[float, str]],
    class_: str,
) -> Markup:
    marks = _marks(quotients, (one.p5, one.median, one.p95), top, class_)
    said = (
        f"{words.ratio(one.median)}, 5 to 95 %: {words.spread(one.p5, one.p95)}, "
        f"{words.plural(one.rounds, 'round')}"
    )
    picture = svg.drawing(
        _HEIGHT,
        svg.lines([place for place, _ in places], _HEIGHT),
        *marks,
        svg.lines([1.0 / top], _HEIGHT, "one"),
        title=f"Time of {one.name} over {one.baseline}",
        said=said,
    )
    label = f"{words.ratio(one.median)} ({words.spread(one.p5, one.p95)})"
    return _row(one.name, label, class_, picture)


def _quotients(above: Sequence[float], below: Sequence[float]) -> list[float]:
    if len(above) != len(below):
        return []
    return [a / b for a, b in zip(above, below, strict=True) if b > 0]


def _marks(
    dots: Sequence[float],
    band: tuple[float | None, float, float | None],
    top: float,
    class_: str,
) -> list[Markup]:
    low, middle, high = band
    marks = []
    if low is not None and high is not None:
        marks.append(
            tag("rect", x=svg.percent(low / top), y=9, height=16, rx=3,
                width=svg.percent(max(high - low, 0.0) / top),
                class_=f"span {class_}")
        )  # fmt: skip
    # Spread upright by a fixed pattern, so that equal rounds are seen as several.
    marks += [
        tag("circle", cx=svg.percent(value / top), cy=8 + (7 * place) % 19, r=2,
            class_=f"point {class_}")
        for place, value in enumerate(dots)
        if value <= top
    ]  # fmt: skip
    marks.append(
        tag("rect", x=svg.percent(middle / top), y=3, width=2, height=28,
            transform="translate(-1 0)", class_="mid")
    )  # fmt: skip
    return marks


def _row(name: str, figure: str, class_: str, picture: Markup) -> Markup:
    dot = tag("i", class_=f"dot {class_}", aria_hidden="true")
    words_ = tag("span", join(dot, name))
    return tag(
        "div",
        tag("div", words_, tag("span", figure, class_="sub"), class_="name"),
        picture,
        class_="row",
    )


def _axis_row(places: Sequence[tuple[float, str]]) -> Markup:
    return tag("div", tag("div", class_="name"), svg.axis(places), class_="row")


def _short(value: float) -> str:
    return f"{value:,.6g}"
