"""Marks on a drawing that is as wide as its place, with letters of one size.

Lengths along x are percentages, so that a drawing needs no script to fit a phone.
"""

import math
from collections.abc import Sequence

from keras_diffmask.export.reporting.escape import Markup, join, tag

# Steps between ticks, times a power of ten.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def percent(share: float) -> str:
    """A place along an axis."""
    return f"{100 * share:.3f}%"


def drawing(height: int, *marks: object, title: str = "", said: str = "") -> Markup:
    """A drawing; without a title it is an ornament of what stands beside it."""
    if not title:
        return tag("svg", *marks, height=height, aria_hidden="true", focusable="false")
    return tag(
        "svg",
        tag("title", title),
        tag("desc", said) if said else None,
        *marks,
        height=height,
        role="img",
        aria_label=f"{title}. {said}".strip(),
    )


def ticks(top: float, most: int = 5) -> list[float]:
    """Round numbers from 0 to `top`, at most `most` steps."""
    if not top > 0 or not math.isfinite(top):
        return [0.0]
    power = 10.0 ** math.floor(math.log10(top / most))
    step = next(power * one for one in _STEPS if top / (power * one) <= most)
    return [step * place for place in range(math.floor(top / step + 1e-9) + 1)]


def between(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers within a range that need not hold 0."""
    width = high - low
    if not width > 0:
        return [low]
    step = ticks(width, most)
    step_size = step[1] if len(step) > 1 else width
    first = math.ceil(low / step_size - 1e-9)
    last = math.floor(high / step_size + 1e-9)
    return [step_size * place for place in range(first, last + 1)]


def lines(places: Sequence[float], height: int, class_: str = "grid") -> Markup:
    """Upright lines at some places of the axis."""
    return join(
        *(
            tag("line", x1=percent(x), x2=percent(x), y1=0, y2=height, class_=class_)
            for x in places
        )
    )


def axis(labels: Sequence[tuple[float, str]]) -> Markup:
    """A line of labels; those at the ends stay within the drawing."""
    marks = []
    for place, label in labels:
        anchor = "start" if place < 0.04 else "end" if place > 0.96 else "middle"
        marks.append(tag("text", label, x=percent(place), y=13, text_anchor=anchor))
    return drawing(18, *marks)


def bar(shares: Sequence[tuple[float, str]], height: int = 12) -> Markup:
    """Bars one below the other, (length, class), on a faint track."""
    gap = 3 if len(shares) > 1 else 0
    marks = []
    for place, (share, class_) in enumerate(shares):
        y = place * (height + gap)
        width = percent(min(max(share, 0.0), 1.0))
        marks.append(
            tag("rect", x=0, y=y, width="100%", height=height, rx=2, class_="track")
        )
        marks.append(
            tag("rect", x=0, y=y, width=width, height=height, rx=2,
                class_=f"fill {class_}")
        )  # fmt: skip
    return drawing(len(shares) * (height + gap) - gap, *marks)


def polyline(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through points of (across, down), shares of the drawing.

    It stands in a drawing of its own that is stretched; its stroke is not.
    """
    path = " ".join(f"{100 * x:.3f},{100 * y:.3f}" for x, y in points)
    return tag(
        "svg",
        tag("polyline", points=path, class_=class_, vector_effect="non-scaling-stroke"),
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        width="100%",
        height="100%",
    )
