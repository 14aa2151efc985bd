"""One training under a budget, or of what it is compared with."""

from pathlib import Path

import keras
import numpy as np

from keras_diffmask.export.benchmarking.networks import resnet8
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.demo.training import score
from keras_diffmask.export.evidence import budget_methods, fitting
from keras_diffmask.export.evidence.budget_methods import Trained
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, strip


def run_trial(
    method: str | None,
    share: float,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    label: str,
    reporter: Reporter,
) -> Figures:
    """Trains one network, strips it, counts and scores what is left.

    Args:
        method: one of `budget_methods.METHODS`, or None for the dense network.
        share: MACs that may be left, of the dense network's.
        data: the data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        unfinished: folder of the training's state.
        label: what to write before the phase.
        reporter: shows the progress.

    Returns:
        Plain figures: accuracies, parameters, MACs and their share of the dense
        network's, seconds.
    """
    clock = Clock()
    keras.utils.set_random_seed(seed)
    model, callbacks = _made(method, share, data, recipe.epochs)
    with reporter.phase(label, recipe.epochs) as advance:
        seconds = fitting.train_classifier(
            model, data, recipe, seed, unfinished, advance, callbacks
        )
    slim = strip(model)
    before = plan(resnet8(data.input_shape, len(data.classes))).macs[0]
    after = plan(slim).macs[0]
    return {
        "test": score(slim, data.x_test, data.y_test),
        "validation": score(slim, data.x_val, data.y_val),
        "parameters": slim.count_params(),
        "macs": after,
        "macs_share": after / before,
        "epoch_seconds": float(np.median(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
    }


def _made(method: str | None, share: float, data: Dataset, epochs: int) -> Trained:
    about = data.input_shape, len(data.classes)
    if method is None:
        return budget_methods.dense(*about)
    if method == budget_methods.OURS:
        return budget_methods.ours(*about, share)
    if method == budget_methods.NARROW:
        return budget_methods.narrowed(*about, share)
    return budget_methods.by_l1_norm(*about, share, epochs)
