"""One training of the ResNet-8, whichever table asks for it."""

from pathlib import Path

import keras
import numpy as np

from keras_diffmask.errors import BudgetError
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Advance
from keras_diffmask.export.demo.training import score
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.peers.peer import PEERS
from keras_diffmask.export.evidence.peers.training import train_peer
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.evidence.resnet.methods import METHODS, Task
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import carry_optimizer, plan, strip
from keras_diffmask.masking import standing
from keras_diffmask.quantizers import quantizers_of

#: A network, and figures of it.
Trained = tuple[keras.Model, Figures]


def task_of(data: Dataset, recipe: Recipe, share: float) -> Task:
    """What is to be trained.

    Args:
        data: the data set.
        recipe: how to train.
        share: MACs that may be left, of the dense network's.
    """
    return Task(data.input_shape, len(data.classes), share, recipe.epochs)


def begin(
    method: str,
    share: float,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    advance: Advance,
) -> Trained:
    """Trains until the decision.

    Args:
        method: one of `METHODS`.
        share: MACs that may be left, of the dense network's.
        data: the data set.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        unfinished: folder of the training's state.
        advance: called after each epoch.

    Returns:
        The network as it is then, compiled, and the seconds of each epoch.
    """
    task = task_of(data, recipe, share)
    keras.utils.set_random_seed(seed)
    model = METHODS[method].start(task)
    seconds = fitting.train_classifier(
        model, data, recipe, seed, unfinished, advance, part=range(task.turn)
    )
    return model, {"epoch_seconds": seconds}


def finish(
    method: str,
    share: float,
    begun: Trained | None,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    advance: Advance,
) -> Trained:
    """Trains what is left after the decision, counts it and scores it.

    Args:
        method: one of `METHODS` or `PEERS`.
        share: MACs that may be left, of the dense network's.
        begun: what `begin` made; None of a peer, which trains the whole by itself.
        data: the data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        unfinished: folder of the training's state.
        advance: called after each epoch.

    Returns:
        The stripped network, its quantizers kept, and plain figures: accuracies,
        parameters, MACs and their share of the dense network's, seconds; of a peer
        also its versions, and how many weights are not 0.
    """
    clock = Clock()
    task = task_of(data, recipe, share)
    if begun is None:
        slim, seconds, more = _by_peer(
            method, task, data, recipe, seed, unfinished, advance
        )
    else:
        model, figures = begun
        slim, second = _what_is_left(
            method, model, task, data, recipe, seed, unfinished, advance
        )
        seconds, more = [*figures["epoch_seconds"], *second], {}
    before, after = plan(task.network()).macs[0], plan(slim).macs[0]
    return slim, {
        "test": score(slim, data.x_test, data.y_test),
        "validation": score(slim, data.x_val, data.y_val),
        "parameters": slim.count_params(),
        "macs": after,
        "macs_share": after / before,
        # What is left is trained in less time than the whole.
        "epoch_seconds": float(np.mean(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
        **more,
    }


def _what_is_left(
    method: str,
    model: keras.Model,
    task: Task,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    advance: Advance,
) -> tuple[keras.Model, list[float]]:
    """Closes what is to go, strips it, and trains on; the seconds of each epoch."""
    METHODS[method].close(model, task.share)
    now = standing(model)
    if now is not None and (now.is_searching or not now.is_met):
        raise BudgetError(
            f"gates that were decided after {task.turn} of {task.epochs} epochs",
            "some that were not",
            "This is an error of the evidence; please report it.",
        )
    slim = strip(model, keep_quantizers=bool(quantizers_of(model)))
    seconds = fitting.train_classifier(
        slim,
        data,
        recipe,
        seed,
        unfinished,
        advance,
        part=range(task.turn, task.epochs),
        optimizer=carry_optimizer(model, slim),
    )
    return slim, seconds


def _by_peer(
    method: str,
    task: Task,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    advance: Advance,
) -> tuple[keras.Model, list[float], Figures]:
    """Another library's network, the seconds of each epoch, and more figures."""
    keras.utils.set_random_seed(seed)
    peer, network = PEERS[method], task.network()
    trained = train_peer(
        peer, network, task.share, data, recipe, seed, unfinished, advance
    )
    slim = trained.model
    more = {"versions": trained.versions, "difference": trained.difference}
    return slim, trained.seconds, {**more, **_zeros(slim)}


def _zeros(model: keras.Model) -> Figures:
    """Entries of kernels, and how many of them are not 0."""
    arrays = map(keras.ops.convert_to_numpy, model.weights)
    kernels = [array for array in arrays if array.ndim > 1]
    return {
        "kernel_weights": sum(kernel.size for kernel in kernels),
        "kernel_weights_left": sum(int(np.sum(kernel != 0)) for kernel in kernels),
    }
