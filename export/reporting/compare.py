"""Every model against the first: the cells of the table, and the sentence on top.

Nothing is concluded that was not measured: a ratio without both of its figures
is absent, and one whose spread holds 1 is "no difference".
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from keras_diffmask.export.reporting import words
from keras_diffmask.export.reporting.records import (
    ModelFacts,
    Quotient,
    Timing,
)

if TYPE_CHECKING:
    from keras_diffmask.export.reporting.document import Report

GOOD, BAD, SAME = "good", "bad", "same"
NO_DIFFERENCE = "no difference"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One figure of one model.

    Args:
        value: the figure; empty where there is none.
        short: the same for a tile.
        detail: its spread, or why there is no figure.
        chip: the figure over the first model's.
        tone: "good", "bad" or "same", by the chip; else empty.
        spread: of the chip.
    """

    value: str = ""
    short: str = ""
    detail: str = ""
    chip: str = ""
    tone: str = ""
    spread: str = ""


@dataclasses.dataclass(frozen=True)
class Measure:
    """One row of the table.

    Args:
        label: what was measured.
        note: how, in few words.
        cells: one per model.
    """

    label: str
    note: str
    cells: tuple[Cell, ...]


def measures(report: "Report") -> list[Measure]:
    """The rows of the table; those that no model has a figure for are left out."""
    models = report.models
    found = [_time(models, timing, report) for timing in report.timings]
    found += [_peak(models, timing) for timing in report.timings]
    found.append(_sized(models, "File", ".tflite", lambda model: model.bytes))
    found.append(_sized(models, "Arena", "TFLM, here", lambda one: one.arena_bytes))
    found.append(_macs(models))
    found.append(_accuracy(models))
    return [row for row in found if any(cell.value for cell in row.cells)]


def headline(report: "Report") -> list[str]:
    """One sentence per model but the first, or of the only one."""
    first, *others = report.models
    if not others:
        timing = report.timings[0] if report.timings else None
        time = _typical(timing, first.name) if timing else None
        parts = [words.time(time)] if time else []
        parts.append(words.size(first.bytes))
        where = f", on {timing.label}" if timing and time else ""
        return [f"{first.name}: {words.listed(parts)}{where}."]
    return [_sentence(report.timings, first, model) for model in others]


def _sentence(timings: tuple[Timing, ...], first: ModelFacts, model: ModelFacts) -> str:
    same = model.bytes == first.bytes
    share = words.ratio(model.bytes / first.bytes)
    size = "the same bytes" if same else f"{share} the bytes"
    found = [(one.label, ratio_of(one, model.name)) for one in timings]
    known = [(label, _time_words(ratio)) for label, ratio in found if ratio]
    if len(known) == 1:
        label, time = known[0]
        return f"{model.name}: {time} and {size} of {first.name}, on {label}."
    rest = "; " + ", ".join(f"{time} on {label}" for label, time in known)
    return f"{model.name}: {size} of {first.name}{rest if known else ''}."


def _time_words(ratio: Quotient) -> str:
    if not ratio.is_clear:
        return "no difference in time"
    return f"{words.ratio(ratio.median)} the time"


def ratio_of(timing: Timing, name: str) -> Quotient | None:
    """A model's time over the first one's, where it was measured."""
    return next((one for one in timing.ratios if one.name == name), None)


def tone_of(ratio: float) -> str:
    """Whether a cost fell; a change below half a percent is none."""
    if abs(ratio - 1) < 0.005:
        return SAME
    return GOOD if ratio < 1 else BAD


def _typical(timing: Timing, name: str) -> float | None:
    return next((one.typical for one in timing.models if one.name == name), None)


def _accuracy(models: tuple[ModelFacts, ...]) -> Measure:
    base = models[0].accuracy
    several = max(len(model.scores) for model in models) > 1
    cells = []
    for place, model in enumerate(models):
        value = model.accuracy
        if value is None:
            cells.append(Cell())
            continue
        low, high = min(model.scores), max(model.scores)
        detail = f"{words.percent(low)} to {words.percent(high)}"
        more = {}
        if place and base is not None:
            # No colour: whether it matters, a seed or two do not say.
            more = {"chip": words.points(value - base), "tone": SAME}
        cells.append(
            Cell(
                words.percent(value),
                words.percent(value, 1),
                detail if len(model.scores) > 1 else "",
                **more,
            )
        )
    note = "mean, lowest to highest seed" if several else "as given"
    return Measure("Accuracy", note, tuple(cells))


def _time(models: tuple[ModelFacts, ...], timing: Timing, report: "Report") -> Measure:
    cells = []
    for model in models:
        times = next((one for one in timing.models if one.name == model.name), None)
        if times is None or times.typical is None:
            cells.append(Cell())
            continue
        ratio = ratio_of(timing, model.name)
        more = {}
        if ratio is not None:
            tone = tone_of(ratio.median) if ratio.is_clear else SAME
            more = {
                "chip": words.ratio(ratio.median) if ratio.is_clear else NO_DIFFERENCE,
                "tone": tone,
                "spread": words.spread(ratio.p5, ratio.p95),
            }
        detail = ""
        if times.p5 is not None and times.p95 is not None:
            detail = words.times(times.p5, times.p95)
        value = words.time(times.typical)
        cells.append(Cell(value, value, detail, **more))
    several = len(report.timings) > 1
    kinds = sorted({one.typical_is for one in timing.models}, reverse=True)
    label = f"Time, {timing.label}" if several else "Time"
    return Measure(label, f"{' or '.join(kinds)}, {timing.device}", tuple(cells))


def _peak(models: tuple[ModelFacts, ...], timing: Timing) -> Measure:
    peaks = {one.name: one.peak_mb for one in timing.models}
    found = [peaks.get(model.name) for model in models]
    return Measure(
        "Peak memory", timing.label, _costs(found, lambda mb: f"{mb:,.1f} MB", None)
    )


def _macs(models: tuple[ModelFacts, ...]) -> Measure:
    cells = _costs([one.macs for one in models], words.count, words.short_count)
    return Measure("MACs", "per inference", cells)


def _sized(
    models: tuple[ModelFacts, ...],
    label: str,
    note: str,
    value: Callable[[ModelFacts], float | None],
) -> Measure:
    values = [value(model) for model in models]
    cells = _costs(values, words.size, words.short_size)
    if label == "Arena":
        cells = tuple(
            cell if cell.value else dataclasses.replace(cell, detail=model.arena_note)
            for cell, model in zip(cells, models, strict=True)
        )
    return Measure(label, note, cells)


def _costs(
    values: list[float | None],
    write: Callable[[float], str],
    short: Callable[[float], str] | None,
) -> tuple[Cell, ...]:
    base = values[0]
    cells = []
    for place, value in enumerate(values):
        if value is None:
            cells.append(Cell())
            continue
        more = {}
        if place and base:
            more = {"chip": words.ratio(value / base), "tone": tone_of(value / base)}
        cells.append(Cell(write(value), (short or write)(value), **more))
    return tuple(cells)
