"""One training of the ResNet-8, whichever table asks for it."""

from pathlib import Path

import keras
import numpy as np

from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Advance, Reporter
from keras_diffmask.export.demo.training import score
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.peers.peer import PEERS
from keras_diffmask.export.evidence.peers.training import train_peer
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
        method: one of `METHODS` or `PEERS`.
        share: MACs that may be left, of the dense network's.
        data: the data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        unfinished: folder of the training's state.
        label: what to write before the phase.
        reporter: shows the progress.

    Returns:
        The stripped network, its quantizers kept, and plain figures: accuracies,
        parameters, MACs and their share of the dense network's, seconds; of a peer
        also its versions, and how many weights are not 0.
    """
    clock = Clock()
    keras.utils.set_random_seed(seed)
    task = Task(data.input_shape, len(data.classes), share, recipe.epochs)
    by = _by_peer if method in PEERS else _by_gates
    with reporter.phase(label, recipe.epochs) as advance:
        slim, after, seconds, more = by(
            method, task, data, recipe, seed, unfinished, advance
        )
    before = plan(task.network()).macs[0]
    return slim, {
        "test": score(slim, data.x_test, data.y_test),
        "validation": score(slim, data.x_val, data.y_val),
        "parameters": slim.count_params(),
        "macs": after,
        "macs_share": after / before,
        "epoch_seconds": float(np.median(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
        **more,
    }


#: The stripped network, its MACs, the seconds of each epoch, and more figures.
_Left = tuple[keras.Model, int, list[float], Figures]


def _by_gates(
    method: str,
    task: Task,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    advance: Advance,
) -> _Left:
    """This library's, and what it can be asked for."""
    model, callbacks = METHODS[method](task)
    seconds = fitting.train_classifier(
        model, data, recipe, seed, unfinished, advance, callbacks
    )
    slim = strip(model, keep_quantizers=bool(quantizers_of(model)))
    return slim, plan(model).macs[1], seconds, {}


def _by_peer(
    method: str,
    task: Task,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    advance: Advance,
) -> _Left:
    """Another library's."""
    peer, network = PEERS[method], task.network()
    trained = train_peer(
        peer, network, task.share, data, recipe, seed, unfinished, advance
    )
    slim = trained.model
    more = {"versions": trained.versions, "difference": trained.difference}
    return slim, plan(slim).macs[0], trained.seconds, {**more, **_zeros(slim)}


def _zeros(model: keras.Model) -> Figures:
    """Entries of kernels, and how many of them are not 0."""
    arrays = map(keras.ops.convert_to_numpy, model.weights)
    kernels = [array for array in arrays if array.ndim > 1]
    return {
        "kernel_weights": sum(kernel.size for kernel in kernels),
        "kernel_weights_left": sum(int(np.sum(kernel != 0)) for kernel in kernels),
    }
