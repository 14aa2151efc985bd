"""The page: one HTML file with its styles and drawings, no script, no network."""

import dataclasses
from typing import TYPE_CHECKING

from keras_diffmask.export.reporting import compare, curve_drawings, words
from keras_diffmask.export.reporting import fact_sections as facts
from keras_diffmask.export.reporting import network_sections as network
from keras_diffmask.export.reporting import result_sections as results
from keras_diffmask.export.reporting import time_sections as times
from keras_diffmask.export.reporting.css import DARK, LIGHT, SERIES, stylesheet
from keras_diffmask.export.reporting.escape import Markup, join, tag
from keras_diffmask.export.reporting.records import (
    Timing,
)

if TYPE_CHECKING:
    from keras_diffmask.export.reporting.document import Report

# Said to the browser as well: it is to load nothing and run nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_RATIOS = (
    "A ratio of times is the median, over the rounds, of one round's {what} over the "
    "first model's in the same round; beside it stand its 5th and 95th percentile. "
    "Where they have 1 between them, no difference was seen. What was not measured "
    "is not here."
)
# By whether the ratios of any benchmark, and of all, are of the fastest ones.
_COMPARED = {
    (False, False): "time",
    (True, False): "time (its fastest inference where a benchmark tells that)",
    (True, True): "fastest inference",
}


@dataclasses.dataclass(frozen=True)
class Section:
    """One part of the page.

    Args:
        anchor: what the links at the top lead to.
        title: its headline.
        lead: what one sees there, in a sentence.
        body: the content.
    """

    anchor: str
    title: str
    lead: str
    body: Markup


def render(report: "Report") -> str:
    """The whole file.

    Args:
        report: the data; whatever text it holds is escaped.

    Returns:
        A document that is valid HTML and ASCII but for its text.
    """
    colours = colours_of(report)
    parts = sections(report, colours)
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        *_theme_colours(),
        tag("link", rel="icon", href="data:,"),
        tag("title", report.title),
        # Ours alone, no text from elsewhere: nothing in it to escape.
        Markup(f"<style>{stylesheet()}</style>"),
    )
    main = join(results.tiles(report, colours), *map(_section, parts))
    body = join(_header(report, parts), tag("main", main), _footer(report))
    page = tag("html", tag("head", head), tag("body", body), lang="en")
    return f"<!doctype html>\n{page}\n"


def colours_of(report: "Report") -> dict[str, str]:
    """Name of a model -> its class; the base is grey, colours come again."""
    names = [model.name for model in report.models]
    measured = [one.name for timing in report.timings for one in timing.models]
    names += [name for name in dict.fromkeys(measured) if name not in names]
    others = SERIES[1:]
    return {
        name: SERIES[0] if place == 0 else others[(place - 1) % len(others)]
        for place, name in enumerate(names)
    }


def sections(report: "Report", colours: dict[str, str]) -> list[Section]:
    """Those parts that there is something to show in."""
    found = [
        Section(
            "models", "Side by side", _ratios(report), results.table(report, colours)
        ),
        *_time_sections(report, colours),
        Section(
            "size",
            "Flash and RAM",
            "Bytes of the file, and of the working memory that a microcontroller's "
            "interpreter sets apart.",
            network.sizes(report.models, colours),
        ),
        *_curves(report, colours),
        *_kept(report),
        Section(
            "targets",
            "Targets",
            "Whether their runtimes have what the files need, told from operators and "
            "types, and from flash and RAM where a target limits them.",
            facts.targets(report.models, colours),
        ),
        Section(
            "files",
            "The files",
            "By their hash the figures can be traced.",
            facts.files(report.models, colours),
        ),
        Section(
            "versions",
            "Versions and commands",
            "Of the computer that made this page.",
            facts.versions(report.versions, report.commands),
        ),
    ]
    return found


def _ratios(report: "Report") -> str:
    fastest = [timing.is_of_fastest for timing in report.timings] or [False]
    return _RATIOS.format(what=_COMPARED[any(fastest), all(fastest)])


def _time_sections(report: "Report", colours: dict[str, str]) -> list[Section]:
    found = []
    base = report.models[0].name
    for place, timing in enumerate(report.timings):
        mark = "" if place == 0 else f"-{place + 1}"
        more = f", {timing.label}" if len(report.timings) > 1 else ""
        body = times.latency(timing, colours, base)
        where = _where(timing)
        found.append(Section(f"latency{mark}", f"Latency{more}", where, body))
        operations = times.operations(timing, colours)
        if operations is not None:
            lead = f"The time of each operation, on {timing.label}."
            found.append(
                Section(
                    f"operations{mark}", f"Where the time goes{more}", lead, operations
                )
            )
    return found


def _where(timing: Timing) -> str:
    where = ", ".join(filter(None, [timing.label, _threads(timing)]))
    return f"On {where} ({timing.device})."


def _curves(report: "Report", colours: dict[str, str]) -> list[Section]:
    found = []
    accuracy = curve_drawings.accuracy_drawing(report.models, colours)
    if accuracy is not None:
        lead = "Up and to the left is better. The axis does not begin at 0."
        found.append(Section("accuracy", "Accuracy against MACs", lead, accuracy))
    if report.front is not None:
        lead = "The best network of one run for each budget: a lower bound of what a "
        lead += "run for that budget gives."
        lead = " ".join(filter(None, [lead, report.front.note]))
        body = curve_drawings.front_drawing(report.front)
        found.append(Section("front", "One run, a curve", lead, body))
    if report.search is not None:
        lead = "How the training came to its budget."
        body = curve_drawings.search_drawing(report.search)
        found.append(Section("search", "The search", lead, body))
    return found


def _kept(report: "Report") -> list[Section]:
    found = []
    for place, one in enumerate(report.kept):
        mark = "" if place == 0 else f"-{place + 1}"
        lead = f"Units of each layer that the strip left of {one.label}, and why the "
        lead += "rest could not go."
        found.append(Section(f"kept{mark}", "What was kept", lead, network.kept(one)))
    return found


def _section(one: Section) -> Markup:
    head = tag("div", tag("h2", one.title, id=f"{one.anchor}-title"),
               tag("p", one.lead, class_="lead"))  # fmt: skip
    body = tag("div", one.body, class_="body")
    return tag(
        "section", head, body, id=one.anchor, aria_labelledby=f"{one.anchor}-title"
    )


def _header(report: "Report", parts: list[Section]) -> Markup:
    links = [tag("a", one.title, href=f"#{one.anchor}") for one in parts]
    return tag(
        "header",
        tag("p", "keras_diffmask report", class_="over"),
        tag("h1", report.title),
        *(tag("p", sentence, class_="say") for sentence in compare.headline(report)),
        tag("p", _measured(report), class_="meta") if report.timings else None,
        tag("nav", *links, aria_label="Parts of this page"),
    )


def _measured(report: "Report") -> Markup:
    """Where the first benchmark was, how much of it, and when."""
    timing = report.timings[0]
    parts: list[object] = [_threads(timing)]
    rounds = max((len(one.rounds) for one in timing.models), default=0)
    if rounds:
        parts.append(words.plural(rounds, "round"))
    parts.append(tag("span", words.moment(timing.created), class_="whole"))
    found = [part for part in parts if part]
    return join(
        "Measured: ", *(join(", " if k else None, p) for k, p in enumerate(found))
    )


def _threads(timing: Timing) -> str:
    return "" if timing.threads is None else words.plural(timing.threads, "thread")


def _theme_colours() -> list[Markup]:
    return [
        tag("meta", name="theme-color", content=colours["paper"],
            media=f"(prefers-color-scheme: {scheme})")
        for scheme, colours in (("light", LIGHT), ("dark", DARK))
    ]  # fmt: skip


def _footer(report: "Report") -> Markup:
    version = dict(report.versions).get("keras_diffmask", "")
    return tag(
        "footer", f"Made by keras_diffmask {version}, {words.moment(report.created)}."
    )
