"""A recurrent classifier, dense and pruned, from data to table."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_diffmask import plots
from keras_diffmask.budget import Budget
from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.classifier import table as classifier_table
from keras_diffmask.export.evidence.classifier.networks import (
    HAR,
    SHARE,
    SPEECH_LSTM,
    Task,
)
from keras_diffmask.export.evidence.classifier.trial import run_trial
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures, Runs

SEEDS = 5
QUICK_EPOCHS, QUICK_EXAMPLES = 2, 60
NETWORKS = ("dense", "pruned")


def har(settings: Settings, reporter: Reporter) -> Report:
    """Two LSTM layers on smartphone motion; see `run`."""
    return run(HAR, settings, reporter)


def speech_lstm(settings: Settings, reporter: Reporter) -> Report:
    """Two LSTM layers on spoken words; see `run`."""
    return run(SPEECH_LSTM, settings, reporter)


def run(task: Task, settings: Settings, reporter: Reporter) -> Report:
    """Trains dense and pruned per seed, and compares their int8 files.

    Both get the same data, epochs, batches and learning rates. The recipe was
    chosen on validation parts; the test part gives the figures of the table
    and nothing else.

    Args:
        task: the data set and the recipe.
        settings: what to do.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `<name>.json`, the
        picture `<name>.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used.
    """
    folder = results_folder(settings.out)
    runs = Runs(folder / "runs")
    recipe = dataclasses.replace(task.recipe, epochs=_epochs(task, settings))
    seeds = settings.seeds or (1 if settings.quick else SEEDS)
    trials: dict[str, list[Figures]] = {name: [] for name in NETWORKS}
    where = task.dataset, settings.data_dir, "sequence"
    limit = QUICK_EXAMPLES if settings.quick else None
    for seed in range(seeds):
        data = datasets.load_in_phase(
            reporter, f"reading {task.dataset}", *where, seed=seed, limit=limit
        )
        for name in NETWORKS:
            budget = task.budget() if name == "pruned" else None
            share = None if budget is None else budget.macs
            more = {} if budget is None or task.ram is None else {"ram": task.ram}
            about = keyed.about(
                task.name, data, recipe, seed, network=name, share=share, **more
            )
            label = f"seed {seed + 1} of {seeds}, {name}"

            def train(
                unfinished: Path,
                budget: Budget | None = budget,
                data: datasets.Dataset = data,
                seed: int = seed,
                label: str = label,
            ) -> Figures:
                return run_trial(
                    budget, data, recipe, seed, unfinished, label, reporter
                )

            trials[name].append(runs.once(about, train))
    return _report(task, settings, data, recipe, trials, folder)


def _epochs(task: Task, settings: Settings) -> int:
    return settings.epochs or (QUICK_EPOCHS if settings.quick else task.recipe.epochs)


def _report(
    task: Task,
    settings: Settings,
    data: datasets.Dataset,
    recipe: Any,
    trials: dict[str, list[Figures]],
    folder: Path,
) -> Report:
    scores = {
        f"{name} {kind}": [100 * trial["test"][kind] for trial in trials[name]]
        for name in trials
        for kind in ("float", "int8")
    }
    picture = plots.paired_figure(
        scores, folder / f"{task.name}.png", task.label, "test accuracy, %"
    )
    report = report_of(
        task.name,
        settings,
        _title(task, data, recipe, trials),
        [classifier_table.table(trials)],
        classifier_table.notes(trials),
        {
            **keyed.facts(data, recipe, len(trials["dense"])),
            "summary": classifier_table.summary(trials),
            "trials": trials,
        },
        [picture],
        sum(trial["seconds"] for name in trials for trial in trials[name]),
    )
    report.save(folder)
    return report


def _title(
    task: Task, data: datasets.Dataset, recipe: Any, trials: dict[str, list[Figures]]
) -> Sequence[str]:
    return (
        f"{task.label}: {len(data.x_train):,} examples to train on, "
        f"{len(data.x_val):,} to choose settings, {len(data.x_test):,} to test.",
        f"Two LSTM layers of 64 units, {recipe.epochs} epochs dense and pruned alike, "
        f"seeds: {len(trials['dense'])}; budget: {SHARE:.0%} of the MACs"
        + (f", {task.ram:.0%} of the arena." if task.ram else "."),
    )
