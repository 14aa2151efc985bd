"""One training of the ResNet-8, whichever table asks for it."""

from pathlib import Path

import keras
import numpy as np

from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.demo.training import score
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.evidence.resnet.methods import METHODS, Task
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, strip
from keras_diffmask.quantizers import quantizers_of


def train(
    method: str,
    share: float,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    label: str,
    reporter: Reporter,
) -> tuple[keras.Model, Figures]:
    """Trains one network, strips it, counts and scores what is left.

    Args:
        method: one of `METHODS`.
        share: MACs that may be left, of the dense network's.
        data: the data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        unfinished: folder of the training's state.
        label: what to write before the phase.
        reporter: shows the progress.

    Returns:
        The stripped network, its quantizers kept, and plain figures: accuracies,
        parameters, MACs and their share of the dense network's, seconds.
    """
    clock = Clock()
    keras.utils.set_random_seed(seed)
    task = Task(data.input_shape, len(data.classes), share, recipe.epochs)
    model, callbacks = METHODS[method](task)
    with reporter.phase(label, recipe.epochs) as advance:
        seconds = fitting.train_classifier(
            model, data, recipe, seed, unfinished, advance, callbacks
        )
    slim = strip(model, keep_quantizers=bool(quantizers_of(model)))
    before, after = plan(task.network()).macs[0], plan(model).macs[1]
    return slim, {
        "test": score(slim, data.x_test, data.y_test),
        "validation": score(slim, data.x_val, data.y_val),
        "parameters": slim.count_params(),
        "macs": after,
        "macs_share": after / before,
        "epoch_seconds": float(np.median(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
    }
