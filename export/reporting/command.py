"""The one function a user calls: `report`."""

import importlib.metadata
import os
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import keras_diffmask
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.reporting.curves import front_of, search_of
from keras_diffmask.export.reporting.document import Report
from keras_diffmask.export.reporting.kept import kept_of
from keras_diffmask.export.reporting.models import Scores, models_of
from keras_diffmask.export.reporting.place import check_place
from keras_diffmask.export.reporting.timing import timings_of
from keras_diffmask.targets import Target

_PACKAGES = (
    "keras", "tensorflow", "ai-edge-litert", "jax", "torch", "tflite-micro",
    "ethos-u-vela", "numpy",
)  # fmt: skip


def report(
    artifacts: Any,
    benchmark: Any = None,
    path: str | os.PathLike[str] | None = None,
    *,
    plan: Any = None,
    accuracy: Scores | None = None,
    front: Any = None,
    history: Any = None,
    steps_per_epoch: int | None = None,
    target: str | Target | None = None,
    title: str | None = None,
    arena: bool = True,
    commands: Sequence[str] = (),
    force: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> Report:
    """Puts models side by side on one page that can be shown.

    A page holds what is known and nothing else: sizes, MACs, operators, TFLM's
    arena and which targets have the operators are read from the files; times,
    accuracies and curves are there where they are passed. Every ratio is over
    the first model. One whose spread (5 to 95 % of the rounds) holds 1 is called
    "no difference".

    Args:
        artifacts: list of `Artifact`s or paths of `.tflite` files, or a dict by
            name; the first is the base.
        benchmark: what `export.benchmark` returned of models with these names, the
            path of its JSON file, or a list of either, one per device.
        path: where to write it: `.html` (one file, no script, no network), `.md`
            or `.json` (`Report.from_json` reads it back). None writes nothing.
        plan: `export.plan(masked)` or `kd.summary(masked)`, the file that the
            shell's `plan --json` printed, or a list or dict of them: what each
            layer kept, and why the rest stayed.
        accuracy: name -> accuracy from 0 to 1, or one per seed.
        front: a `kd.callbacks.ParetoFront` or its folder.
        history: what `fit` returned for a model with a budget, or its
            `.history`, or the path of that as JSON.
        steps_per_epoch: at least 1, to count a `history` that is a dict in steps.
        target: judge the files for this device, with its flash and RAM; by default
            for every known one.
        title: the headline; by default the models' names.
        arena: ask TFLM's interpreter for the arena, where it is installed; a
            second or so per model.
        commands: what was typed to get here, shown as it is.
        force: replace an existing file.
        progress: called with the name of each model that was looked at.

    Returns:
        The `Report`.

    Raises:
        InvalidArgumentError: an argument is not what it should be, or a benchmark
            is of other files.
        ArtifactError: a file cannot be read, or `path` exists or cannot be written.

    Example:
        >>> result = export.benchmark([dense, pruned], per_op=True)
        >>> export.report([dense, pruned], benchmark=result, path="report.html",
        ...               plan=export.plan(masked),
        ...               accuracy={"dense": 0.924, "pruned": 0.916})
    """
    if path is not None:
        check_place(path, force)
    # What is quick to refuse comes before TFLM is asked.
    kept, curve = kept_of(plan), front_of(front)
    search = search_of(history, steps_per_epoch)
    models = models_of(artifacts, accuracy, target, arena, progress)
    made = Report(
        title=_title(title, [model.name for model in models]),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        models=models,
        timings=timings_of(benchmark, models),
        kept=kept,
        front=curve,
        search=search,
        versions=tuple(_versions()),
        commands=_words(commands),
    )
    if path is not None:
        made.save(path, force)
    return made


def _title(title: str | None, names: list[str]) -> str:
    if title is None:
        return " and ".join(names) if len(names) < 3 else ", ".join(names)
    if not isinstance(title, str) or not title.strip():
        raise InvalidArgumentError(
            "title as text", f"title={title!r}", "Leave it out, or name the page."
        )
    return title


def _words(commands: Sequence[str]) -> tuple[str, ...]:
    if isinstance(commands, str):
        return (commands,)
    return tuple(map(str, commands))


def _versions() -> list[tuple[str, str]]:
    found = [
        ("keras_diffmask", keras_diffmask.__version__),
        ("Python", platform.python_version()),
    ]
    for name in _PACKAGES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
