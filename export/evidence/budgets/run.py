"""Budgets of MACs on one network, beside what else has as many, from data to table."""

from pathlib import Path

from keras_diffmask import plots
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.budgets import table as budget_table
from keras_diffmask.export.evidence.pruning.methods import ESTIMATOR
from keras_diffmask.export.evidence.pruning.trainings import Trainings, seeds_of
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings

NAME = "budgets"
SHARES, SEEDS = (0.5, 0.3, 0.15), 3
QUICK_SHARES = (0.5,)


def budgets(settings: Settings, reporter: Reporter) -> Report:
    """Trains the dense network, and every method at every budget, per seed.

    Which network the data say: a DS-CNN for Speech Commands, two LSTM layers for UCI
    HAR, else a ResNet-8.

    All get the same data, batches, optimizer, learning rates and number of
    epochs in all. Ours has gates of `differentiable_mask` and the default settings
    of a budget. The recipe is the demo's; nothing was chosen on the test part.

    Args:
        settings: what to do; the data are those in `data_dir`, by default the
            digits of scikit-learn.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `budgets.json`, the
        picture `budgets.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used.
    """
    shares = QUICK_SHARES if settings.quick else SHARES
    wanted = [budget_table.ALL]
    wanted += [(m, s) for s in shares for m in budget_table.METHODS]
    trials: budget_table.Trials = {one: [] for one in wanted}
    seeds = seeds_of(settings, SEEDS)
    for seed in range(seeds):
        trainings = Trainings(settings, seed, seeds, reporter)
        for method, share in wanted:
            trials[method, share].append(trainings.figures(method, share))
    return _report(settings, trainings, trials, results_folder(settings.out))


def _report(
    settings: Settings,
    trainings: Trainings,
    trials: budget_table.Trials,
    folder: Path,
) -> Report:
    data, recipe = trainings.data, trainings.recipe
    seeds = len(trials[budget_table.ALL])
    picture = plots.front_figure(
        budget_table.curves(trials),
        folder / f"{NAME}.png",
        f"{trainings.family.label} on {data.name}, {recipe.epochs} epochs in all",
        "MACs",
        "test accuracy",
    )
    report = report_of(
        NAME,
        settings,
        (
            f"{data.name}: {len(data.x_train):,} examples to train on, "
            f"{len(data.x_test):,} to test.",
            f"{trainings.family.label}, {recipe.epochs} epochs in all for every "
            f"network, batch "
            f"{recipe.batch_size}, seeds: {seeds}. L1 norms decide after half of "
            "the epochs, as our search does; what is left then trains on with the "
            "optimizer's state. Ours has the default settings of a budget and gates of "
            f"{ESTIMATOR}.",
        ),
        [budget_table.table(trials)],
        budget_table.notes(trials),
        {
            **keyed.facts(data, recipe, seeds),
            "summary": budget_table.summary(trials),
            "trials": [
                {"method": method, "share": share, "figures": figures}
                for (method, share), figures in trials.items()
            ],
        },
        [picture],
        sum(one["seconds"] for figures in trials.values() for one in figures),
    )
    report.save(folder)
    return report
