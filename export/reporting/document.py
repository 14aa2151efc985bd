"""A report: its data, its three written forms, and the file of each."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import ArtifactError
from keras_diffmask.export import coding
from keras_diffmask.export.reporting import compare
from keras_diffmask.export.reporting.escape import plain
from keras_diffmask.export.reporting.markdown import render as render_markdown
from keras_diffmask.export.reporting.network_records import (
    Front,
    Kept,
    Search,
)
from keras_diffmask.export.reporting.page import render as render_page
from keras_diffmask.export.reporting.place import check_place, suffix_of
from keras_diffmask.export.reporting.records import (
    ModelFacts,
    Timing,
)

FORMAT = "keras_diffmask.report/1"


@dataclasses.dataclass(frozen=True, repr=False)
class Report:
    """Models side by side, the first of them the base of every ratio.

    Args:
        title: the headline.
        created: when, ISO 8601 in UTC.
        models: at least one.
        timings: one per benchmark.
        kept: one per plan.
        front: score against cost of one run, or None.
        search: cost against steps of one run, or None.
        versions: (package, version) on this computer.
        commands: what was typed, quoted for a shell.

    Example:
        >>> made = export.report([dense, pruned], benchmark=result)
        >>> made.save("report.html")
        >>> print(made.to_markdown())
        >>> Report.from_json(made.to_json()) == made
        True
    """

    title: str
    created: str
    models: tuple[ModelFacts, ...]
    timings: tuple[Timing, ...] = ()
    kept: tuple[Kept, ...] = ()
    front: Front | None = None
    search: Search | None = None
    versions: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self.title, *self.headline])

    def __repr__(self) -> str:
        return f"<Report {self.title!r} of {len(self.models)} models>"

    @property
    def headline(self) -> list[str]:
        """What the figures come to: one sentence per model but the first."""
        # Printed too, by terminals that take no half of a character.
        return [plain(sentence) for sentence in compare.headline(self)]

    def to_html(self) -> str:
        """One page with its styles and drawings; no script, no network."""
        return render_page(self)

    def to_markdown(self) -> str:
        """The same figures as tables of Markdown (GitHub's)."""
        return render_markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        return {
            "format": FORMAT,
            "headline": self.headline,
            **json.loads(json.dumps(dataclasses.asdict(self))),
        }

    def to_json(self) -> str:
        """The report as a JSON document that `from_json` reads back."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Reads what `to_json` wrote.

        Args:
            text: the JSON document.

        Returns:
            A report equal to the one written.

        Raises:
            ArtifactError: the text is not such a document.
        """
        try:
            document = json.loads(text)
            if document.pop("format") != FORMAT:
                raise ValueError("another format")
            document.pop("headline")
            made: Report = coding.decode(cls, document)
            if not made.models:
                raise ValueError("no models")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"the JSON document of a report (format {FORMAT!r})",
                f"text={text[:40]!r} ({error})",
                "Pass the text that Report.to_json() or .save() wrote.",
            ) from error
        return made

    def save(self, path: str | os.PathLike[str], force: bool = False) -> Path:
        """Writes the form that the name's ending asks for, whole or not at all.

        Args:
            path: a name that ends in .html, .md or .json.
            force: replace an existing file.

        Returns:
            The path written.

        Raises:
            ArtifactError: another ending, an existing file without `force`, or a
                path that cannot be written.
        """
        place = check_place(path, force)
        write = {".html": self.to_html, ".md": self.to_markdown, ".json": self.to_json}
        content = write[suffix_of(place)]().rstrip("\n") + "\n"
        return write_atomically(place, lambda file: file.write_text(content, "utf-8"))
