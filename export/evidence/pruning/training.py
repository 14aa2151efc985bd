"""One training of a network by one method, whichever table asks for it."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from keras_diffmask.errors import BudgetError
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Advance
from keras_diffmask.export.demo.training import score
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.families import Family
from keras_diffmask.export.evidence.peers.peer import PEERS
from keras_diffmask.export.evidence.peers.training import train_peer
from keras_diffmask.export.evidence.pruning.methods import METHODS, Task
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import carry_optimizer, plan, strip
from keras_diffmask.masking import standing
from keras_diffmask.quantizers import quantizers_of

#: A network, and figures of it.
Trained = tuple[keras.Model, Figures]


@dataclasses.dataclass(frozen=True, eq=False)
class Wanted:
    """What is to be trained, and on what.

    Args:
        method: one of `METHODS` or `PEERS`.
        share: MACs that may be left, of the dense network's.
        family: the network.
        data: the data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: of weights, batches and gates.
    """

    method: str
    share: float
    family: Family
    data: Dataset
    recipe: Recipe
    seed: int

    @property
    def task(self) -> Task:
        """What a method is told of it."""
        data = self.data
        return Task(
            self.family,
            data.input_shape,
            len(data.classes),
            self.share,
            self.recipe.epochs,
        )


def begin(wanted: Wanted, unfinished: Path, advance: Advance) -> Trained:
    """Trains until the decision.

    Args:
        wanted: what, by one of `METHODS`.
        unfinished: folder of the training's state.
        advance: called after each epoch.

    Returns:
        The network as it is then, compiled, and the seconds of each epoch.
    """
    task = wanted.task
    keras.utils.set_random_seed(wanted.seed)
    model = METHODS[wanted.method].start(task)
    seconds = fitting.train_classifier(
        model,
        wanted.data,
        wanted.recipe,
        wanted.seed,
        unfinished,
        advance,
        part=range(task.turn),
    )
    return model, {"epoch_seconds": seconds}


def finish(
    wanted: Wanted, begun: Trained | None, unfinished: Path, advance: Advance
) -> Trained:
    """Trains what is left after the decision, counts it and scores it.

    Args:
        wanted: what.
        begun: what `begin` made; None of a peer, which trains the whole by itself.
        unfinished: folder of the training's state.
        advance: called after each epoch.

    Returns:
        The stripped network, its quantizers kept, and plain figures: accuracies,
        parameters, MACs and their share of the dense network's, seconds; of a peer
        also its versions, and how many weights are not 0.
    """
    clock, data = Clock(), wanted.data
    if begun is None:
        slim, seconds, more = _by_peer(wanted, unfinished, advance)
    else:
        model, figures = begun
        slim, second = _what_is_left(wanted, model, unfinished, advance)
        seconds, more = [*figures["epoch_seconds"], *second], {}
    before, after = plan(wanted.task.network()).macs[0], plan(slim).macs[0]
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
    wanted: Wanted, model: keras.Model, unfinished: Path, advance: Advance
) -> tuple[keras.Model, list[float]]:
    """Closes what is to go, strips it, and trains on; the seconds of each epoch."""
    task = wanted.task
    METHODS[wanted.method].close(model, task.share)
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
        wanted.data,
        wanted.recipe,
        wanted.seed,
        unfinished,
        advance,
        part=range(task.turn, task.epochs),
        optimizer=carry_optimizer(model, slim),
    )
    return slim, seconds


def _by_peer(
    wanted: Wanted, unfinished: Path, advance: Advance
) -> tuple[keras.Model, list[float], Figures]:
    """Another library's network, the seconds of each epoch, and more figures."""
    keras.utils.set_random_seed(wanted.seed)
    trained = train_peer(
        PEERS[wanted.method],
        wanted.family,
        wanted.task.network(),
        wanted.share,
        wanted.data,
        wanted.recipe,
        wanted.seed,
        unfinished,
        advance,
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
