"""Pruning and quantization together on a ResNet-8, from data to table."""

import dataclasses
from pathlib import Path

from keras_diffmask import plots
from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.dependencies import require_installed
from keras_diffmask.export.evidence import joint_table, keyed
from keras_diffmask.export.evidence.joint_trial import SHARE, TRAINED, run_trial
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures, Runs

NAME = "joint"
SEEDS = 5
RECIPE = Recipe(10, 64, 2e-3)
QUICK_EPOCHS, QUICK_EXAMPLES = 2, 100


def joint(settings: Settings, reporter: Reporter) -> Report:
    """Trains a ResNet-8 dense, pruned, and pruned with integers of 8 and 4 bits.

    All get the same data, batches, optimizer, learning rates and number of
    epochs in all, and the library's default settings; nothing was chosen on the
    test part. What was trained in floats is quantized afterwards, with 256
    examples.

    Args:
        settings: what to do; the images are those in `data_dir`, by default the
            digits of scikit-learn.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `joint.json`, the picture
        `joint.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used, or a package is
            missing.
    """
    packages = {"ai_edge_quantizer": "ai-edge-quantizer"}
    require_installed(packages, "which writes 4-bit weights after training", "int4")
    folder = results_folder(settings.out)
    runs, quick = Runs(folder / "runs"), settings.quick
    epochs = settings.epochs or (QUICK_EPOCHS if quick else RECIPE.epochs)
    recipe = dataclasses.replace(RECIPE, epochs=epochs)
    seeds = settings.seeds or (1 if quick else SEEDS)
    trials: joint_table.Trials = {trained: [] for trained in TRAINED}
    for seed in range(seeds):
        data = datasets.load_in_phase(
            reporter,
            "reading images",
            None,
            settings.data_dir,
            "image",
            seed=seed,
            limit=QUICK_EXAMPLES if quick else None,
        )
        for trained in TRAINED:
            label = f"seed {seed + 1} of {seeds}: {trained}"
            figures = _once(runs, trained, data, recipe, seed, label, reporter)
            trials[trained].append(figures)
    return _report(settings, data, recipe, trials, folder)


def _once(
    runs: Runs,
    trained: str,
    data: datasets.Dataset,
    recipe: Recipe,
    seed: int,
    label: str,
    reporter: Reporter,
) -> Figures:
    """The figures of one training, from the folder if they are there."""
    about = keyed.about(NAME, data, recipe, seed, trained=trained, share=SHARE)

    def train(unfinished: Path) -> Figures:
        return run_trial(trained, data, recipe, seed, unfinished, label, reporter)

    return runs.once(about, train)


def _report(
    settings: Settings,
    data: datasets.Dataset,
    recipe: Recipe,
    trials: joint_table.Trials,
    folder: Path,
) -> Report:
    found = joint_table.summary(trials)
    seeds = len(found["dense float"])
    picture = plots.paired_figure(
        {row: [100 * value for value in found[row]] for row in found},
        folder / f"{NAME}.png",
        f"ResNet-8 on {data.name}, {SHARE:.0%} of the MACs",
        "test accuracy %",
    )
    report = report_of(
        NAME,
        settings,
        (
            f"{data.name}: {len(data.x_train):,} examples to train on, "
            f"{len(data.x_test):,} to test.",
            f"ResNet-8, budget {SHARE:.0%} of the MACs, {recipe.epochs} epochs in all "
            f"for every network, batch {recipe.batch_size}, seeds: {seeds}.",
        ),
        [joint_table.table(trials)],
        joint_table.notes(trials),
        {
            **keyed.facts(data, recipe, seeds),
            "summary": found,
            "trials": trials,
        },
        [picture],
        sum(one["seconds"] for figures in trials.values() for one in figures),
    )
    report.save(folder)
    return report
