"""What a piece of evidence came to: a table, and all figures behind it."""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.atomic import write_atomically
from keras_diffmask.export.columns import columns
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.machine import Machine, machine
from keras_diffmask.export.runs import Figures

FORMAT = "keras_diffmask.evidence/1"
QUICK = "A quick run: too short for its figures to mean anything."


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as it is printed.

    Args:
        header: names of the columns.
        rows: the cells.
        left: places of the columns that stand to the left.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[int, ...] = (0,)

    def __str__(self) -> str:
        return "\n".join(columns([self.header, *self.rows], self.left))


@dataclasses.dataclass(frozen=True)
class Report:
    """All that one piece of evidence came to.

    Args:
        name: name of the evidence.
        settings: what was asked for, without this computer's folders.
        title: what was measured, in one sentence per line.
        tables: what is printed.
        notes: what the tables come to, in one sentence per line.
        figures: the figures behind the tables, as plain data.
        files: names of the files beside the report.
        machine: what the report was made on, with the versions.
        seconds: wall time of all its runs, also of those done earlier.
    """

    name: str
    settings: dict[str, Any]
    title: tuple[str, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    figures: dict[str, Any]
    files: tuple[str, ...]
    machine: Machine
    seconds: float

    def __str__(self) -> str:
        quick = (QUICK,) if self.settings.get("quick") else ()
        blocks = ["\n".join(self.title), *map(str, self.tables)]
        return "\n\n".join([*blocks, "\n".join([*self.notes, *quick])])

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    def save(self, folder: Path) -> Path:
        """Writes `<name>.json` into a folder.

        Raises:
            ArtifactError: it cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        path = folder / f"{self.name}.json"
        return write_atomically(path, lambda file: file.write_text(text))


def report_of(
    name: str,
    settings: Settings,
    title: Sequence[str],
    tables: Sequence[Table],
    notes: Sequence[str],
    figures: dict[str, Any],
    files: Sequence[Path],
    seconds: float,
) -> Report:
    """A report made on this computer; see `Report` for the arguments."""
    return Report(
        name=name,
        settings=settings.facts(),
        title=tuple(title),
        tables=tuple(tables),
        notes=tuple(notes),
        figures=figures,
        files=tuple(path.name for path in files),
        machine=machine(),
        seconds=round(seconds, 1),
    )


@dataclasses.dataclass(frozen=True)
class Sample:
    """One figure over the seeds.

    Args:
        values: one per seed.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Their standard deviation (n - 1); 0 for a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0

    def written(self, form: str = ".2f", factor: float = 1.0) -> str:
        """Mean, deviation, and the range: `"88.10 ± 0.42 (87.6..88.7)"`."""
        low, high = factor * min(self.values), factor * max(self.values)
        mean, spread = factor * self.mean, abs(factor) * self.deviation
        if len(self.values) == 1:
            return f"{mean:{form}}"
        ends = f"{min(low, high):{form}}..{max(low, high):{form}}"
        return f"{mean:{form}} ± {spread:{form.lstrip('+')}} ({ends})"


def sample(figures: list[Figures], name: str) -> Sample:
    """A figure over the seeds.

    Args:
        figures: of each seed.
        name: of the figure.
    """
    return Sample(tuple(one[name] for one in figures))


class Clock:
    """Wall time of a run, for its figures."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Seconds since it was made."""
        return round(time.monotonic() - self._started, 1)
