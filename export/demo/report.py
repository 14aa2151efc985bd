"""What the demo found: one row per model, and all figures behind it."""

import dataclasses
import json
from typing import Any

import numpy as np

from keras_diffmask.export.benchmarking import BenchmarkResult
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.settings import Settings
from keras_diffmask.export.demo.trial import Trial

FORMAT = "keras_diffmask.demo/1"


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean and range over the seeds."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of the values of all seeds."""
        return cls(float(np.mean(values)), float(min(values)), float(max(values)))


@dataclasses.dataclass(frozen=True)
class Row:
    """One model of the table; all but accuracy are means over the seeds.

    Args:
        name: what the model is.
        accuracy: on the test part, 0 to 1.
        parameters: entries of its weights.
        macs: multiply-accumulates per example.
        float_bytes: its float32 file, or `None` where that is another row's.
        int8_bytes: its int8 file, or `None`.
        time_ratio: time of an inference over the dense model's of the same
            type, on this computer.
    """

    name: str
    accuracy: Spread
    parameters: float
    macs: float
    float_bytes: float | None
    int8_bytes: float | None
    time_ratio: float


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """All that one run of the demo found.

    Args:
        settings: what was asked for.
        recipe: how every network was trained.
        data: the data set's name, note, shape and sizes.
        rows: the table.
        trials: per seed, plain figures.
        benchmark: the times, with the machine and the versions.
        seconds: wall time of the whole run.
        files: name -> path of what was written.
    """

    settings: Settings
    recipe: Recipe
    data: dict[str, Any]
    rows: tuple[Row, ...]
    trials: tuple[dict[str, Any], ...]
    benchmark: BenchmarkResult
    seconds: float
    files: dict[str, str]

    @property
    def macs_share(self) -> float:
        """MACs of the pruned model over the dense one's, the largest of the seeds."""
        return max(trial["macs"][1] / trial["macs"][0] for trial in self.trials)

    @property
    def int8_shrink(self) -> float:
        """How many times smaller the int8 file gets, the least of the seeds."""
        return min(
            trial["bytes"]["dense_int8"] / trial["bytes"]["pruned_int8"]
            for trial in self.trials
        )

    @property
    def points_lost(self) -> float:
        """Points of accuracy from the dense float model to the pruned int8 one."""
        by_name = {row.name: row.accuracy.mean for row in self.rows}
        return 100 * (by_name["dense"] - by_name["pruned int8"])

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "benchmark"
        }
        plain = {
            name: dataclasses.asdict(value) if name in ("settings", "recipe") else value
            for name, value in fields.items()
        }
        plain["rows"] = [dataclasses.asdict(row) for row in self.rows]
        return {
            "format": FORMAT,
            "macs_share": self.macs_share,
            "int8_shrink": self.int8_shrink,
            "points_lost": self.points_lost,
            **plain,
            "benchmark": json.loads(self.benchmark.to_json()),
        }

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)


def figures_of(trial: Trial) -> dict[str, Any]:
    """The plain figures of a trial."""
    return {
        "seed": trial.seed,
        "test_accuracy": trial.test,
        "validation_accuracy": trial.validation,
        "macs": list(trial.plan.macs),
        "parameters": list(trial.plan.parameters),
        "bytes": {name: file.nbytes for name, file in trial.files.items()},
        "int8_error": {
            name: file.agreement.relative_error
            for name, file in trial.files.items()
            if file.agreement is not None and name.endswith("int8")
        },
        "kept": kept_rows(trial),
    }


def kept_rows(trial: Trial) -> list[tuple[str, int, int]]:
    """Layers, kept and total units of each set of tied layers that has a gate."""
    return [
        (_tied(row.layers), row.kept, row.total)
        for row in trial.plan.rows
        if row.protected is None
    ]


def _tied(layers: tuple[str, ...]) -> str:
    others = len(layers) - 1
    return f"{layers[0]} (+{others} tied)" if others else layers[0]


def data_facts(data: Dataset) -> dict[str, Any]:
    """Name, note, shape and sizes of a data set."""
    return {
        "name": data.name,
        "note": data.note,
        "input_shape": list(data.input_shape),
        "classes": list(data.classes),
        "train": len(data.x_train),
        "validation": len(data.x_val),
        "test": len(data.x_test),
    }


def rows_of(trials: list[Trial], times: BenchmarkResult) -> tuple[Row, ...]:
    """The table of a run.

    Args:
        trials: one per seed.
        times: the benchmark, whose models are named `"dense_float32"`,
            `"dense_int8"`, and per seed `"pruned_float32 0"`, `"pruned_int8 0"`.

    Returns:
        Four rows. The network from scratch has the layers and widths of the
        pruned one, so its files have the same size and take the same time.
    """

    def accuracy(name: str) -> Spread:
        return Spread.of([trial.test[name] for trial in trials])

    def size(name: str) -> float:
        return float(np.mean([trial.files[name].nbytes for trial in trials]))

    def time(kind: str) -> float:
        ratios = [
            times.ratio(f"pruned_{kind} {trial.seed}", f"dense_{kind}").median
            for trial in trials
        ]
        return float(np.mean(ratios))

    def cost(attribute: str, place: int) -> float:
        pairs = [getattr(trial.plan, attribute) for trial in trials]
        return float(np.mean([pair[place] for pair in pairs]))

    dense, small = (
        (cost("parameters", place), cost("macs", place)) for place in (0, 1)
    )
    dense_files = (size("dense_float32"), size("dense_int8"))
    files = (size("pruned_float32"), size("pruned_int8"))
    ratio = time("float32")
    return (
        Row("dense", accuracy("dense"), *dense, *dense_files, 1.0),
        Row("pruned", accuracy("pruned"), *small, files[0], None, ratio),
        Row(
            "pruned int8", accuracy("pruned_int8"), *small, None, files[1], time("int8")
        ),
        Row("same widths from scratch", accuracy("scratch"), *small, *files, ratio),
    )
