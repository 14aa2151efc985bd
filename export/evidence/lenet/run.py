"""LeNet-300-100 and LeNet-5 as the papers prune them, from data to table."""

import dataclasses
from pathlib import Path

from keras_diffmask import plots
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.kept import Kept
from keras_diffmask.export.evidence.lenet import table as lenet_table
from keras_diffmask.export.evidence.lenet.networks import BUILDERS, LENET_5, RULES
from keras_diffmask.export.evidence.lenet.trainings import NAME, Trainings
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings

SEEDS = 3
RECIPE = Recipe(40, 100, 1e-3)
QUICK_EPOCHS = 2


def lenet(settings: Settings, reporter: Reporter) -> Report:
    """Trains both LeNets dense and with the gates of three papers, per seed.

    All get the same data, batches, optimizer and number of epochs. What a paper
    leaves open was chosen on the validation part.

    Args:
        settings: what to do. In `data_dir` lie folders `mnist` and
            `fashion_mnist`, whose images are for the features; or the files of one
            data set, by default the digits of scikit-learn: then no features of
            other images are asked for.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `lenet.json`, the picture
        `lenet.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used.
    """
    folder = results_folder(settings.out)
    kept = Kept(folder / "runs")
    epochs = settings.epochs or (QUICK_EPOCHS if settings.quick else RECIPE.epochs)
    recipe = dataclasses.replace(RECIPE, epochs=epochs)
    seeds = settings.seeds or (1 if settings.quick else SEEDS)
    wanted = [(network, rule) for network in BUILDERS for rule in RULES]
    trials: lenet_table.Trials = {one: [] for one in wanted}
    errors: lenet_table.Errors = {}
    for seed in range(seeds):
        label = f"seed {seed + 1} of {seeds}"
        trainings = Trainings(settings, kept, recipe, seed, label, reporter)
        for network, rule in wanted:
            trials[network, rule].append(trainings.figures(network, rule))
            error = trainings.features_error(network, rule)
            if error is not None:
                errors.setdefault((network, rule), []).append(error)
    return _report(settings, trainings, recipe, trials, errors, folder)


def _report(
    settings: Settings,
    trainings: Trainings,
    recipe: Recipe,
    trials: lenet_table.Trials,
    errors: lenet_table.Errors,
    folder: Path,
) -> Report:
    data, other = trainings.data, trainings.other
    seeds = len(next(iter(trials.values())))
    picture = plots.paired_figure(
        {
            rule: [100 * one["test_error"] for one in trials[LENET_5, rule]]
            for rule in RULES
        },
        folder / f"{NAME}.png",
        f"{LENET_5} on {data.name}, {recipe.epochs} epochs",
        "test error %",
    )
    tables = [lenet_table.table(trials)]
    if other is not None:
        tables.append(lenet_table.features_table(errors, other.name))
    report = report_of(
        NAME,
        settings,
        (
            f"{data.name}: {len(data.x_train):,} examples to train on, "
            f"{len(data.x_test):,} to test.",
            f"{recipe.epochs} epochs for every network, batch {recipe.batch_size}, "
            f"seeds: {seeds}.",
        ),
        tables,
        lenet_table.notes(trials, None if other is None else other.name),
        {
            **keyed.facts(data, recipe, seeds),
            "trials": lenet_table.plain(trials, errors),
        },
        [picture],
        sum(one["seconds"] for figures in trials.values() for one in figures),
    )
    report.save(folder)
    return report
