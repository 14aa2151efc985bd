"""VGG-16 and ResNet-56 under the operation-aware penalty, from data to table."""

import dataclasses
from pathlib import Path

from keras_diffmask import plots
from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.kept import Kept
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.scp import table as scp_table
from keras_diffmask.export.evidence.scp.images import standardized
from keras_diffmask.export.evidence.scp.networks import BUILDERS
from keras_diffmask.export.evidence.scp.trial import METHODS, Recipe, run_trial
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures

NAME = "scp"
#: Trainings of a day each without an accelerator: `--seeds 3` is for who has one.
SEEDS = 1
QUICK_EPOCHS, QUICK_EXAMPLES, QUICK_DIVISOR = 2, 80, 8


def scp(settings: Settings, reporter: Reporter) -> Report:
    """Trains both networks dense and with the masks and penalty of the paper.

    As the authors do: 160 epochs of SGD from scratch, shifted and mirrored images,
    the penalty on from the first step, and no fine-tuning after the strip.

    Args:
        settings: what to do; the data are those in `data_dir`, by default the
            digits of scikit-learn.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `scp.json`, the picture
        `scp.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used.
    """
    folder = results_folder(settings.out)
    recipe = _recipe(settings)
    trials: scp_table.Trials = {
        (network, method): [] for network in BUILDERS for method in METHODS
    }
    for seed in range(settings.seeds or SEEDS):
        data = _data(settings, seed, reporter)
        for (network, method), figures in trials.items():
            figures.append(
                _figures(folder, network, method, data, recipe, seed, reporter)
            )
    return _report(settings, data, recipe, trials, folder)


def _recipe(settings: Settings) -> Recipe:
    recipe = Recipe()
    if settings.quick:
        recipe = Recipe(epochs=QUICK_EPOCHS, divisor=QUICK_DIVISOR)
    return dataclasses.replace(recipe, epochs=settings.epochs or recipe.epochs)


def _data(settings: Settings, seed: int, reporter: Reporter) -> Dataset:
    return standardized(
        datasets.load_in_phase(
            reporter,
            "reading data",
            None,
            settings.data_dir,
            seed=seed,
            limit=QUICK_EXAMPLES if settings.quick else None,
        )
    )


def _figures(
    folder: Path,
    network: str,
    method: str,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    reporter: Reporter,
) -> Figures:
    """Of one training, which is done if it was not."""
    about = keyed.about(NAME, data, recipe, seed, network=network, method=method)
    label = f"seed {seed + 1}: {network}, {method}"
    return Kept(folder / "runs").figures(
        about,
        lambda unfinished: run_trial(
            network, method, data, recipe, seed, unfinished, label, reporter
        ),
    )


def _report(
    settings: Settings,
    data: Dataset,
    recipe: Recipe,
    trials: scp_table.Trials,
    folder: Path,
) -> Report:
    seeds = len(next(iter(trials.values())))
    picture = plots.paired_figure(
        {
            f"{network}\n{method}": [100 * one["test"] for one in figures]
            for (network, method), figures in trials.items()
        },
        folder / f"{NAME}.png",
        f"Operation-aware pruning on {data.name}, {recipe.epochs} epochs",
        "test accuracy %",
    )
    report = report_of(
        NAME,
        settings,
        (
            f"{data.note or data.name}: {len(data.x_train):,} examples to train on, "
            f"{len(data.x_test):,} to test.",
            f"{recipe.epochs} epochs of SGD for every network, batch "
            f"{recipe.batch_size}, seeds: {seeds}; nothing is trained after the strip.",
        ),
        [scp_table.table(trials)],
        scp_table.notes(trials),
        {
            **keyed.facts(data, recipe, seeds),
            "trials": [
                {"network": network, "method": method, "figures": figures}
                for (network, method), figures in trials.items()
            ],
        },
        [picture],
        sum(one["seconds"] for figures in trials.values() for one in figures),
    )
    report.save(folder)
    return report
