"""One training of a LeNet, and what is left of it."""

import math
from pathlib import Path

import keras
import numpy as np

from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.demo.training import score
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.lenet.networks import BUILDERS, DENSE, RULES
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, strip
from keras_diffmask.masking import gates


def run_trial(
    network: str,
    rule: str,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    label: str,
    reporter: Reporter,
) -> tuple[keras.Model, Figures]:
    """Trains one network and strips it.

    Args:
        network: one of `networks.BUILDERS`.
        rule: one of `networks.RULES`.
        data: the data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        unfinished: folder of the training's state.
        label: what to write before the phase.
        reporter: shows the progress.

    Returns:
        The stripped network, and plain figures: errors, units that are read in
        each layer, weights other than 0, MACs, seconds.
    """
    clock = Clock()
    keras.utils.set_random_seed(seed)
    examples = len(data.x_train)
    steps = recipe.epochs * -(-examples // recipe.batch_size)
    masks = RULES[rule](network, examples, steps)
    model, layers = BUILDERS[network](data.input_shape, len(data.classes), masks)
    if rule == DENSE:
        for gate in gates(model):
            gate.set_keep(np.ones(gate.units, bool))
    with reporter.phase(label, recipe.epochs) as advance:
        seconds = fitting.train_classifier(
            model, data, recipe, seed, unfinished, advance
        )
    slim, macs = strip(model), plan(model).macs
    # What a mask puts into the middle of a kernel stays there as a 0.
    kernels = [weight for weight in slim.get_weights() if weight.ndim > 1]
    return slim, {
        "test_error": 1 - score(slim, data.x_test, data.y_test),
        "validation_error": 1 - score(slim, data.x_val, data.y_val),
        "masked_test_error": 1 - score(model, data.x_test, data.y_test),
        "kept_units": read_units(kernels),
        "kept_weights": int(sum(np.count_nonzero(kernel) for kernel in kernels)),
        "weights": int(sum(math.prod(layer.kernel.shape) for layer in layers)),
        "macs": macs[1],
        "macs_share": macs[1] / macs[0],
        "epoch_seconds": float(np.median(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
    }


def read_units(kernels: list[np.ndarray]) -> list[int]:
    """Of each layer: its inputs that any weight reads, as the papers count them.

    Args:
        kernels: of layers in a row, with the zeros that masks put there. The
            inputs of a Dense layer behind a convolution are the values of its
            flattened maps.

    Returns:
        For each kernel of a convolution its output maps that have weights, for
        each Dense kernel its inputs that have weights: "784-300-100" or
        "20-50-800-500" of the dense networks.
    """
    found = []
    for kernel in kernels:
        axes = (0, 1, 2) if kernel.ndim == 4 else 1
        found.append(int(np.count_nonzero(np.any(kernel != 0, axis=axes))))
    return found
