"""What the demo found, on a page to show."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from keras_diffmask.export.benchmarking import BenchmarkResult
from keras_diffmask.export.demo.settings import Settings
from keras_diffmask.export.demo.trial import Trial
from keras_diffmask.export.reporting import report

_NAMES = {
    "dense": "dense_float32",
    "pruned": "pruned_float32",
    "dense int8": "dense_int8",
    "pruned int8": "pruned_int8",
}
# Of the float files the accuracies are those of the Keras models.
_SCORES = {"dense_float32": "dense", "pruned_float32": "pruned"}


def write_page(
    folder: Path,
    trials: Sequence[Trial],
    times: BenchmarkResult,
    settings: Settings,
    title: str,
) -> Path:
    """Writes `report.html`: the files of the first seed, accuracies of all.

    Args:
        folder: where to.
        trials: one per seed.
        times: the benchmark of all seeds.
        settings: what was asked for.
        title: the headline.

    Returns:
        The path written; an older page is replaced, as all the demo's files are.
    """
    first = trials[0]
    path = folder / "report.html"
    made = report(
        {name: first.files[file] for name, file in _NAMES.items()},
        benchmark=_renamed(times, first.seed),
        plan={f"{title}, seed {first.seed}": first.plan},
        accuracy={
            name: [trial.test[_SCORES.get(file, file)] for trial in trials]
            for name, file in _NAMES.items()
        },
        title=title,
        commands=[_typed(settings)],
    )
    return made.save(path, force=True)


def _typed(settings: Settings) -> str:
    """What repeats the run, quoted for a shell."""
    words = ["keras-diffmask", "demo"]
    for name in ("task", "dataset", "data_dir", "budget", "epochs", "seeds", "out"):
        value = getattr(settings, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words + ["--quick"] * settings.quick)


def _renamed(times: BenchmarkResult, seed: int) -> BenchmarkResult:
    """The times of one seed's models, under the names of the page."""
    models = []
    for name, file in _NAMES.items():
        measured = file if file.startswith("dense") else f"{file} {seed}"
        models.append(dataclasses.replace(times[measured], name=name))
    return dataclasses.replace(times, models=tuple(models))
