"""Budgets of MACs on a ResNet-8, beside what else has as many, from data to table."""

import dataclasses
from pathlib import Path

from keras_diffmask import plots
from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import budget_table, keyed
from keras_diffmask.export.evidence.budget_methods import METHODS
from keras_diffmask.export.evidence.budget_trial import run_trial
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures, Runs

NAME = "budgets"
SHARES, SEEDS = (0.5, 0.3, 0.15), 3
RECIPE = Recipe(10, 64, 2e-3)
QUICK_SHARES, QUICK_EPOCHS, QUICK_EXAMPLES = (0.5,), 2, 100


def budgets(settings: Settings, reporter: Reporter) -> Report:
    """Trains the dense ResNet-8, and every method at every budget, per seed.

    All get the same data, batches, optimizer, learning rates and number of
    epochs in all, and the library's default settings. The recipe is the demo's;
    nothing was chosen on the test part.

    Args:
        settings: what to do; the images are those in `data_dir`, by default the
            digits of scikit-learn.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `budgets.json`, the
        picture `budgets.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used.
    """
    folder = results_folder(settings.out)
    runs = Runs(folder / "runs")
    quick = settings.quick
    epochs = settings.epochs or (QUICK_EPOCHS if quick else RECIPE.epochs)
    recipe = dataclasses.replace(RECIPE, epochs=epochs)
    seeds = settings.seeds or (1 if quick else SEEDS)
    wanted: list[tuple[str | None, float]] = [budget_table.DENSE]
    wanted += [(m, s) for s in (QUICK_SHARES if quick else SHARES) for m in METHODS]
    trials: budget_table.Trials = {one: [] for one in wanted}
    for seed in range(seeds):
        data = datasets.load_in_phase(
            reporter,
            "reading images",
            None,
            settings.data_dir,
            "image",
            seed=seed,
            limit=QUICK_EXAMPLES if settings.quick else None,
        )
        for method, share in wanted:
            label = f"seed {seed + 1} of {seeds}: {method or 'dense'} at {share:.0%}"
            figures = _once(runs, method, share, data, recipe, seed, label, reporter)
            trials[method, share].append(figures)
    return _report(settings, data, recipe, trials, folder)


def _once(
    runs: Runs,
    method: str | None,
    share: float,
    data: datasets.Dataset,
    recipe: Recipe,
    seed: int,
    label: str,
    reporter: Reporter,
) -> Figures:
    """The figures of one training, from the folder if they are there."""
    about = keyed.about(NAME, data, recipe, seed, method=method or "dense", share=share)

    def train(unfinished: Path) -> Figures:
        return run_trial(method, share, data, recipe, seed, unfinished, label, reporter)

    return runs.once(about, train)


def _report(
    settings: Settings,
    data: datasets.Dataset,
    recipe: Recipe,
    trials: budget_table.Trials,
    folder: Path,
) -> Report:
    seeds = len(trials[budget_table.DENSE])
    picture = plots.front_figure(
        budget_table.curves(trials),
        folder / f"{NAME}.png",
        f"ResNet-8 on {data.name}, {recipe.epochs} epochs in all",
        "MACs",
        "test accuracy",
    )
    report = report_of(
        NAME,
        settings,
        (
            f"{data.name}: {len(data.x_train):,} examples to train on, "
            f"{len(data.x_test):,} to test.",
            f"ResNet-8, {recipe.epochs} epochs in all for every network, batch "
            f"{recipe.batch_size}, seeds: {seeds}. L1 norms decide after half of "
            "the epochs, as our search does.",
        ),
        [budget_table.table(trials)],
        budget_table.notes(trials),
        {
            **keyed.facts(data, recipe, seeds),
            "summary": budget_table.summary(trials),
            "trials": [
                {"method": method or "dense", "share": share, "figures": figures}
                for (method, share), figures in trials.items()
            ],
        },
        [picture],
        sum(one["seconds"] for figures in trials.values() for one in figures),
    )
    report.save(folder)
    return report
