"""Targets, files, versions and commands."""

import shlex
from collections.abc import Sequence

from keras_diffmask.export.reporting import words
from keras_diffmask.export.reporting.escape import Markup, join, tag
from keras_diffmask.export.reporting.records import (
    Fit,
    ModelFacts,
)
from keras_diffmask.export.reporting.result_sections import dot, listing, scrollable
from keras_diffmask.export.reporting.time_sections import definitions, typed


def targets(models: Sequence[ModelFacts], colours: dict[str, str]) -> Markup:
    """One row per target, one column per model."""
    names = [fit.target for fit in models[0].fits]
    head = [
        tag("th", join(dot(colours[one.name]), one.name), scope="col") for one in models
    ]
    body = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            *(tag("td", _verdict(one.fits[place])) for one in models),
        )
        for place, name in enumerate(names)
    ]
    content = tag(
        "table",
        tag("thead", tag("tr", tag("td"), *head)),
        tag("tbody", *body),
        class_="fits",
        style=f"--n:{len(models)}",
    )
    return scrollable(content, "Targets")


def _verdict(fit: Fit) -> Markup:
    if not fit.reason:
        return tag("span", "✓ yes", class_="yes")
    return join(tag("span", "✗ no", class_="no"), tag("span", fit.reason, class_="sub"))


def files(models: Sequence[ModelFacts], colours: dict[str, str]) -> Markup:
    """What stands in each file."""
    return join(*(_file(one, colours[one.name]) for one in models))


def _file(one: ModelFacts, class_: str) -> Markup:
    ops = ", ".join(f"{count} {op}" for op, count in one.ops)
    facts: list[tuple[object, object]] = [
        ("size", words.size(one.bytes)),
        ("precision", one.quantization),
        ("written for", one.target),
        ("path", tag("code", shlex.quote(one.path)) if one.path else ""),
        ("inputs", _lines(one.inputs)),
        ("outputs", _lines(one.outputs)),
        ("operators", ops),
        ("MACs", "" if one.macs is None else words.count(one.macs)),
        ("to Keras", _difference(one)),
        ("SHA-256", tag("span", one.sha256, class_="code")),
    ]
    head = tag("summary", join(dot(class_), one.name))
    body = definitions([fact for fact in facts if fact[1]])
    notes = listing(one.notes) if one.notes else None
    return tag("details", head, body, notes)


def _lines(specs: Sequence[str]) -> Markup:
    return join(*(tag("span", spec, class_="code sub") for spec in specs))


def _difference(one: ModelFacts) -> str:
    if one.difference is None:
        return ""
    return f"{words.percent(one.difference, 3)} of the output apart (rms)"


def versions(found: Sequence[tuple[str, str]], commands: Sequence[str]) -> Markup:
    """What made the page."""
    return join(definitions(list(found)), typed(commands) if commands else None)
