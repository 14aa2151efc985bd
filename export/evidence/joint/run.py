"""Pruning and quantization together on one network, from data to table."""

from pathlib import Path

from keras_diffmask import plots
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.dependencies import require_installed
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.families import family_for
from keras_diffmask.export.evidence.joint import table as joint_table
from keras_diffmask.export.evidence.pruning.methods import DENSE
from keras_diffmask.export.evidence.pruning.trainings import Trainings, seeds_of
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings

NAME = "joint"
SEEDS = 5
#: What is left of the dense network's MACs.
SHARE = 0.3


def joint(settings: Settings, reporter: Reporter) -> Report:
    """Trains a network dense, pruned, and pruned with integers of 8 and 4 bits.

    A DS-CNN for Speech Commands, a ResNet-8 for other images.

    All get the same data, batches, optimizer, learning rates and number of
    epochs in all, gates of `differentiable_mask` and `Budget(charged="lowest")`;
    nothing was chosen on the test part. What was trained in floats is
    quantized afterwards, with 256 examples.

    Args:
        settings: what to do; the images are those in `data_dir`, by default the
            digits of scikit-learn.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `joint.json`, the picture
        `joint.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used, they are sequences, or
            a package is missing.
    """
    family = family_for(settings.data_dir)
    if family.task != "image":
        raise InvalidArgumentError(
            "a folder of images",
            f"data_dir={settings.data_dir!r}, of sequences",
            "Recurrent layers take their ranges from calibration: see lstm-int8.",
        )
    packages = {"ai_edge_quantizer": "ai-edge-quantizer"}
    require_installed(packages, "which writes 4-bit weights after training", "int4")
    seeds = seeds_of(settings, SEEDS)
    trials: joint_table.Trials = {trained: [] for trained in joint_table.FILES}
    for seed in range(seeds):
        trainings = Trainings(settings, seed, seeds, reporter)
        for trained, names in joint_table.FILES.items():
            share = 1.0 if trained == DENSE else SHARE
            figures = trainings.figures(trained, share)
            files = {name: trainings.file(trained, share, name) for name in names}
            trials[trained].append({**figures, "files": files})
    return _report(settings, trainings, trials, results_folder(settings.out))


def _report(
    settings: Settings,
    trainings: Trainings,
    trials: joint_table.Trials,
    folder: Path,
) -> Report:
    found = joint_table.summary(trials)
    data, recipe = trainings.data, trainings.recipe
    seeds = len(found["dense float"])
    picture = plots.paired_figure(
        {row: [100 * value for value in found[row]] for row in found},
        folder / f"{NAME}.png",
        f"{trainings.family.label} on {data.name}, {SHARE:.0%} of the MACs",
        "test accuracy %",
    )
    report = report_of(
        NAME,
        settings,
        (
            f"{data.name}: {len(data.x_train):,} examples to train on, "
            f"{len(data.x_test):,} to test.",
            f"{trainings.family.label}, budget {SHARE:.0%} of the MACs, "
            f"{recipe.epochs} epochs in all for every network, batch "
            f"{recipe.batch_size}, seeds: {seeds}.",
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
