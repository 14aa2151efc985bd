"""What many random graphs showed: counts, bars and failures, as JSON."""

import json
import os
import platform
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from hypothesis import Phase, given, seed
from hypothesis.strategies import DataObject

import keras_diffmask as kd
from tests.random_graphs.check import Outcome, check
from tests.random_graphs.finish import STRUCTURES, draw
from tests.random_graphs.recipe import Drawn, Recipe, Replayed
from tests.random_graphs.sketch import PIECES
from tests.random_graphs.strategy import (
    choices,
    quietly,
    same_failure,
    shorten,
    source_of,
)

#: Examples that each kind must appear in, of 1,000; share that must lose a unit.
FEWEST_PER_KIND, LOSING = 30, 0.90


def versions() -> dict[str, str]:
    import tensorflow

    modules = {"keras": keras, "tensorflow": tensorflow, "numpy": np}
    found = {name: module.__version__ for name, module in modules.items()}
    return {
        **found,
        "keras_diffmask": kd.__version__,
        "python": platform.python_version(),
    }


@dataclass
class Survey:
    """Everything that is known after so many examples."""

    wanted: int
    seed: int
    examples: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def load(cls, path: Path, wanted: int, seed: int) -> "Survey":
        """What an earlier run left at `path`, when it drew the same graphs."""
        survey = cls(wanted, seed)
        if path.exists():
            known = json.loads(path.read_text())
            if known["seed"] == seed and known["versions"] == versions():
                names = [name for name in asdict(survey) if name != "wanted"]
                survey = cls(wanted, **{name: known[name] for name in names})
        return survey

    def save(self, path: Path) -> None:
        """All at once: killed in the middle, it leaves the file as it was."""
        data = {
            **asdict(self),
            "losing": round(self.losing(), 4),
            "missed": self.missed(),
            "versions": versions(),
        }
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
        os.replace(partial, path)

    def add(self, outcome: Outcome) -> None:
        self.examples += 1
        counts, kinds = Counter(self.counts), Counter(self.kinds)
        kinds.update(outcome.kinds)
        counts["masked"] += outcome.gates > 0
        counts["losing"] += outcome.gone > 0
        for name in ("closed", "gone", "dead", "quiet", "wide", "round_trip"):
            counts[name] += int(getattr(outcome, name))
        self.counts, self.kinds = dict(counts), dict(kinds)

    def fail(self, kinds: frozenset[str], error: Exception, recipes: dict) -> None:
        self.add(Outcome(kinds))
        text = f"{type(error).__name__}: {error}"[:1000]
        self.failures.append({"error": text, "example": self.examples, **recipes})

    def losing(self) -> float:
        """Share of the graphs that lost at least one unit."""
        return self.counts.get("losing", 0) / max(self.examples, 1)

    def missed(self) -> list[str]:
        """The bars that are not met; kinds are counted per 1,000 examples."""
        lines = [f"{len(self.failures)} graphs break a law"] if self.failures else []
        fewest = FEWEST_PER_KIND * self.examples // 1000
        for kind in (*PIECES, *STRUCTURES):
            count = self.kinds.get(kind, 0)
            if count < fewest:
                lines.append(f"{kind}: in {count} graphs, of {fewest}")
        if self.losing() < LOSING:
            lines.append(
                f"{self.losing():.1%} of the graphs lose a unit, of {LOSING:.0%}"
            )
        if self.counts.get("dead", 0) > 0.01 * self.examples:
            lines.append(f"{self.counts['dead']} graphs ignore their inputs")
        return lines

    def progress(self) -> str:
        rarest = min((self.kinds.get(kind, 0), kind) for kind in PIECES)
        return (
            f"{self.examples}/{self.wanted} graphs, {self.seconds:.0f} s: "
            f"{self.losing():.1%} lose a unit, {len(self.failures)} failures, "
            f"rarest kind {rarest[1]!r} in {rarest[0]}"
        )

    def table(self) -> str:
        lines = [f"{n:>5}  {kind}" for kind, n in sorted(self.kinds.items())]
        counts = ", ".join(f"{name} {n}" for name, n in sorted(self.counts.items()))
        return "\n".join([*lines, counts])


def run_chunk(survey: Survey, count: int, shorter: bool = True) -> None:
    """The next examples; a failure is written down, and the rest still run."""
    limit = survey.examples + count
    # The rarest kinds so far come first, which is where most draws fall; and
    # every other chunk is drawn from the rarer half alone.
    order = sorted(PIECES, key=lambda kind: survey.kinds.get(kind, 0))
    if survey.examples // count % 2:
        order = order[: len(order) // 2]

    @seed(survey.seed * 100_000 + survey.examples)
    @quietly(count, phases=[Phase.generate])
    @given(choices)
    def examples(data: DataObject) -> None:
        if survey.examples < limit:
            _one(survey, source_of(data, order), shorter)

    examples()


def _one(survey: Survey, source: Drawn, shorter: bool) -> None:
    kinds: frozenset[str] = frozenset()
    try:
        graph = draw(source)
        kinds = graph.kinds
        outcome = check(graph)
    except Exception as error:
        recipes = {"recipe": source.recipe}
        if shorter and kinds:
            recipes["short"] = shorten(source.recipe, same_failure(error))
        survey.fail(kinds, error, recipes)
        print(f"FAILED, example {survey.examples}: {str(error)[:200]}", flush=True)
    else:
        survey.add(outcome)


def reproduce(recipe: Recipe) -> Outcome:
    """Check the graph of a recipe from the JSON file."""
    return check(draw(Replayed(recipe)))
