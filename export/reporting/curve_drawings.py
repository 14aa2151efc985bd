"""Accuracy against MACs, score against cost, and cost against steps."""

from collections.abc import Callable, Sequence

from keras_diffmask.export.reporting import svg, words
from keras_diffmask.export.reporting.css import SERIES
from keras_diffmask.export.reporting.escape import Markup, join, tag
from keras_diffmask.export.reporting.network_records import (
    Front,
    Search,
)
from keras_diffmask.export.reporting.records import (
    ModelFacts,
)

_HEIGHT = 240
Place = Callable[[float], float]


def accuracy_drawing(
    models: Sequence[ModelFacts], colours: dict[str, str]
) -> Markup | None:
    """One dot per model with accuracy and MACs, a line from lowest to highest seed."""
    known = [one for one in models if one.scores and one.macs is not None]
    if len(known) < 2:
        return None
    top = max(one.macs or 0 for one in known) * 1.06

    def across(macs: float) -> float:
        return macs / top

    down, grid = _upright([score for one in known for score in one.scores], True)
    marks = []
    for one in known:
        x = svg.percent(across(one.macs or 0))
        low, high = (svg.percent(down(f(one.scores))) for f in (min, max))
        class_ = colours[one.name]
        marks.append(tag("line", x1=x, x2=x, y1=low, y2=high, class_=f"path {class_}"))
        y = svg.percent(down(one.accuracy or 0.0))
        marks.append(tag("circle", cx=x, cy=y, r=6.5, class_=f"solid {class_}"))
    said = "; ".join(
        f"{one.name}: {words.count(one.macs or 0)} MACs, "
        f"{words.percent(one.accuracy or 0.0)}"
        for one in known
    )
    picture = svg.drawing(
        _HEIGHT, grid, *marks, title="Accuracy against MACs", said=said
    )
    unit, name = _macs_unit(top)
    labels = [(across(tick * unit), f"{tick:g}") for tick in svg.ticks(top / unit)]
    legend = [(colours[one.name], one.name) for one in known]
    return _figure(
        "Accuracy, %",
        f", over {name} per inference",
        legend,
        picture,
        labels,
    )


def front_drawing(front: Front) -> Markup:
    """The scores of one run, budget by budget."""
    top = max(1.0, *(point.cost for point in front.points)) * 1.02
    is_share = "acc" in front.metric
    down, grid = _upright([point.score for point in front.points], is_share)
    places = [(point.cost / top, down(point.score)) for point in front.points]
    dots = [
        tag("circle", cx=svg.percent(x), cy=svg.percent(y), r=5, class_="solid s1")
        for x, y in places
    ]
    said = "; ".join(
        f"{words.percent(point.cost, 1)} {front.cost}: {_score(point.score, is_share)}"
        for point in front.points
    )
    title = f"{front.metric} against {front.cost}, one run"
    line = svg.polyline(places, "path s1")
    picture = svg.drawing(_HEIGHT, grid, line, *dots, title=title, said=said)
    labels = [(tick / top, f"{100 * tick:g} %") for tick in svg.ticks(top)]
    more = f", {front.cost} as a share of the dense network's"
    return _figure(f"{front.metric} against {front.cost}", more, [], picture, labels)


def search_drawing(search: Search) -> Markup:
    """Every cost of the budget and its target, epoch by epoch."""
    epochs = len(search.costs[0].values)
    step = search.steps_per_epoch or 1
    top = max(1.0, *(max(*cost.values, *cost.targets) for cost in search.costs))

    def across(epoch: float) -> float:
        return epoch / epochs

    def down(value: float) -> float:
        return 1 - 0.94 * value / top

    marks = [_shade(search, across)]
    legend, said = [], []
    for place, cost in enumerate(search.costs):
        class_ = SERIES[1 + place % (len(SERIES) - 1)]
        for values, dash in ((cost.targets, " dash"), (cost.values, "")):
            points = [(across(k + 1), down(v)) for k, v in enumerate(values)]
            marks.append(svg.polyline(points, f"path{dash} {class_}"))
        # The last point is what came out; of a single epoch it is all there is.
        end = svg.percent(across(epochs)), svg.percent(down(cost.values[-1]))
        marks.append(tag("circle", cx=end[0], cy=end[1], r=5, class_=f"solid {class_}"))
        legend.append((class_, f"{cost.name} (dashed: its target)"))
        said.append(
            f"{cost.name} ends at {words.percent(cost.values[-1], 1)}, its target "
            f"at {words.percent(cost.targets[-1], 1)}"
        )
    grid = _grid([(down(t), f"{100 * t:g} %") for t in svg.ticks(top)])
    picture = svg.drawing(
        _HEIGHT, grid, *marks, title="Cost against steps", said="; ".join(said)
    )
    unit = "steps" if search.steps_per_epoch else "epochs"
    ends = [t for t in svg.ticks(epochs * step) if t == int(t)]
    labels = [(t / (epochs * step), f"{t:,.0f}") for t in ends]
    more = f", shares of the dense network's, over {unit}"
    return _figure("Cost against its target", more, legend, picture, labels)


def _shade(search: Search, across: Place) -> Markup | None:
    """The part from which on the budget stays met, in integers."""
    first = max((k + 1 for k, met in enumerate(search.met) if not met), default=0)
    if first >= len(search.met):
        return None
    x = across(first)
    return join(
        tag("rect", x=svg.percent(x), y=0, width=svg.percent(1 - x), height="100%",
            class_="shade"),
        tag("text", "budget met", x="99%", y=16, text_anchor="end"),
    )  # fmt: skip


def _upright(values: Sequence[float], is_share: bool) -> tuple[Place, Markup]:
    """A scale around the values, and its lines with labels."""
    low, high = min(values), max(values)
    room = max((high - low) * 0.25, 0.002 if is_share else 1e-9 + abs(high) * 0.02)
    low, high = low - room, high + room

    def down(value: float) -> float:
        return 1 - (value - low) / (high - low)

    marks = svg.between(low, high)
    return down, _grid([(down(one), _score(one, is_share)) for one in marks])


def _score(value: float, is_share: bool) -> str:
    return f"{100 * value:.5g} %" if is_share else f"{value:.4g}"


def _grid(levels: Sequence[tuple[float, str]]) -> Markup:
    """Lines across, each with its label above its left end."""
    marks = []
    for y, label in levels:
        place = svg.percent(y)
        marks.append(tag("line", x1=0, x2="100%", y1=place, y2=place, class_="grid"))
        down = 14 if y < 0.08 else -4
        marks.append(tag("text", label, x=0, y=place, dy=down))
    return join(*marks)


def _macs_unit(top: float) -> tuple[float, str]:
    for unit, name in ((1e9, "G MACs"), (1e6, "M MACs"), (1e3, "k MACs")):
        if top >= unit:
            return unit, name
    return 1.0, "MACs"


def _figure(
    title: str,
    more: str,
    legend: Sequence[tuple[str, str]],
    picture: Markup,
    labels: Sequence[tuple[float, str]],
) -> Markup:
    entries = [
        tag("li", tag("i", class_=f"dot {class_}", aria_hidden="true"), name)
        for class_, name in legend
    ]
    return tag(
        "figure",
        tag("figcaption", tag("b", title), more, "."),
        tag("ul", *entries, class_="legend") if entries else None,
        picture,
        svg.axis(labels),
    )
