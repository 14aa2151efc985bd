"""Int8 LSTMs in LiteRT and in TFLM, from data to table."""

import dataclasses
from pathlib import Path

from keras_diffmask import plots
from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.classifier.networks import HAR, Recipe
from keras_diffmask.export.evidence.lstm_int8 import table as lstm_table
from keras_diffmask.export.evidence.lstm_int8 import tflm
from keras_diffmask.export.evidence.lstm_int8.networks import BODIES, RECIPE
from keras_diffmask.export.evidence.lstm_int8.trial import CALIBRATION, run_trial
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures, Runs

NAME, SEEDS = "lstm-int8", 2
QUICK_EPOCHS, QUICK_EXAMPLES = 1, 40


def lstm_int8(settings: Settings, reporter: Reporter) -> Report:
    """Trains five networks with LSTMs, and compares what runs their int8 files.

    LiteRT's reference kernels and TFLM's interpreter get the same sequences of
    the test part. Then each LSTM is looked at by itself: how far one step from
    the same state takes the two apart, and how far the recurrence carries it.

    Args:
        settings: what to do.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `lstm-int8.json`, the
        picture `lstm-int8.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used, or tflite-micro is
            not installed.
    """
    # Before the minutes of training, not after them.
    tflm.runtime()
    folder = results_folder(settings.out)
    runs = Runs(folder / "runs")
    epochs = settings.epochs or (QUICK_EPOCHS if settings.quick else RECIPE.epochs)
    recipe = dataclasses.replace(RECIPE, epochs=epochs)
    seeds = settings.seeds or (1 if settings.quick else SEEDS)
    trials: lstm_table.Trials = {name: [] for name in BODIES}
    for seed in range(seeds):
        data = _load(settings, seed, reporter)
        for name in BODIES:
            label = f"seed {seed + 1} of {seeds}, {name}"
            figures = _once(runs, name, data, recipe, seed, label, reporter)
            trials[name].append(figures)
    return _report(settings, data, recipe, trials, folder)


def _load(settings: Settings, seed: int, reporter: Reporter) -> datasets.Dataset:
    with reporter.phase(f"reading {HAR.dataset}") as advance:
        data = datasets.load(
            HAR.dataset,
            settings.data_dir,
            "sequence",
            seed=seed,
            limit=QUICK_EXAMPLES if settings.quick else None,
        )
        advance(f"{len(data.x_train):,} examples to train on")
    return data


def _once(
    runs: Runs,
    name: str,
    data: datasets.Dataset,
    recipe: Recipe,
    seed: int,
    label: str,
    reporter: Reporter,
) -> Figures:
    """The figures of one network, from the folder if they are there."""
    about = keyed.about(NAME, data, recipe, seed, network=name)

    def train(unfinished: Path) -> Figures:
        return run_trial(name, data, recipe, seed, unfinished, label, reporter)

    return runs.once(about, train)


def _report(
    settings: Settings,
    data: datasets.Dataset,
    recipe: Recipe,
    trials: lstm_table.Trials,
    folder: Path,
) -> Report:
    (first, *_) = trials.values()
    steps, sequences = data.input_shape[0], first[0]["sequences"]
    picture = plots.tail_figure(
        _curves(trials),
        folder / f"{NAME}.png",
        "TFLM and LiteRT: hidden states of five networks with LSTMs",
        "apart by at least so many integers of 256",
    )
    report = report_of(
        NAME,
        settings,
        (
            f"{HAR.label}: {len(data.x_train):,} examples to train on, "
            f"{recipe.epochs} epochs, seeds: {len(first)}; calibrated on "
            f"{min(CALIBRATION, len(data.x_train))}, compared on {sequences} test "
            f"sequences of {steps} steps each.",
            'A "step" starts from the same h and c in both; in a "sequence" each goes '
            'on from its own. "Nudged": LiteRT to LiteRT, where after each step as '
            "many entries of h as differ in a step are moved by 1.",
        ),
        lstm_table.tables(trials),
        lstm_table.notes(trials),
        {
            **keyed.facts(data, recipe, len(first)),
            "summary": lstm_table.summary(trials),
            "trials": trials,
        },
        [picture],
        sum(one["seconds"] for figures in trials.values() for one in figures),
    )
    report.save(folder)
    return report


def _curves(trials: lstm_table.Trials) -> dict[str, list[int]]:
    """Of all LSTMs together: how many states differ by how much."""
    found = lstm_table.states(trials).values()
    return {
        label: lstm_table.pooled([one[kind] for one in found])
        for label, kind in (
            ("a step from the same state", "step"),
            ("over a sequence", "sequence"),
            ("LiteRT to itself, nudged as often", "nudged"),
        )
    }
