"""Training that goes on where it was stopped, with the batches it would have had."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.reporter import Advance
from keras_diffmask.export.demo.training import compile_classifier

#: What is told of an epoch, besides its loss.
TOLD = ("accuracy", "valid perplexity")
#: Seconds of the epochs so far, beside the state of a training.
EPOCHS = "epochs.json"
#: More than any SeedGenerator draws in an epoch; 2,000 epochs fit into its state.
DRAWS = 1 << 21
#: From the number of an epoch to its batches, always the same.
Order = Callable[[int], list[Any]]


class Batches(keras.utils.PyDataset):
    """Inputs and labels in an order that depends on the seed and the epoch alone.

    Keras shuffles with a generator whose state no checkpoint holds: a training
    that goes on after an interruption would see other batches than one that
    was never stopped.

    Args:
        order: from an epoch, counted from 0, to its list of index arrays or
            slices.
        x, y: arrays that these index.
    """

    def __init__(self, order: Order, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self._order, self._x, self._y = order, x, y
        self.start(0)

    def start(self, epoch: int) -> None:
        """Takes the order of an epoch."""
        self._chosen = self._order(epoch)

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._chosen[index]
        return self._x[chosen], self._y[chosen]


def shuffled(examples: int, batch_size: int, seed: int) -> Order:
    """Every example once per epoch, in batches, in an order drawn per epoch."""

    def order(epoch: int) -> list[np.ndarray]:
        mixed = np.random.default_rng([seed, epoch]).permutation(examples)
        return np.array_split(mixed, range(batch_size, examples, batch_size))

    return order


def drawn(x: np.ndarray, most: int) -> np.ndarray:
    """Examples at random, the same ones each time.

    The first of a set may be those of one person, whose ranges are not all's.
    """
    return x[np.random.default_rng(0).permutation(len(x))[:most]]


def fit(
    model: keras.Model,
    batches: Batches,
    epochs: int,
    unfinished: Path,
    advance: Advance,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    part: range | None = None,
) -> list[float]:
    """Trains a compiled model, going on from the last epoch in a folder.

    Args:
        model: the compiled model, as it is before the first epoch.
        batches: its data.
        epochs: how many there are in all.
        unfinished: the folder that holds the state after each epoch.
        advance: called after each epoch, those of an earlier attempt included.
        callbacks: more callbacks.
        part: the epochs, of all those, that are trained here; all by default.

    Returns:
        Seconds of each epoch, those of an earlier attempt included.
    """
    part = range(epochs) if part is None else part
    if not part:
        return []
    if part.stop < epochs:
        callbacks = (*callbacks, _StopAfter(part.stop - 1))
        _forget_if_done(unfinished, len(part))
    diary = _Diary(batches, unfinished / EPOCHS, advance, part.start)
    # A second copy, in case it is stopped while it writes the first.
    backup = keras.callbacks.BackupAndRestore(
        str(unfinished / "backup"), double_checkpoint=True, delete_checkpoint=False
    )
    model.fit(
        batches,
        epochs=epochs,
        initial_epoch=part.start,
        # Or else Keras would change the order of the batches.
        shuffle=False,
        verbose=0,
        # The state first, so that the diary is never ahead of it.
        callbacks=[backup, *callbacks, diary],
    )
    return diary.seconds


def train_classifier(
    model: keras.Model,
    data: Dataset,
    recipe: Any,
    seed: int,
    unfinished: Path,
    advance: Advance,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    part: range | None = None,
    optimizer: keras.Optimizer | None = None,
) -> list[float]:
    """Compiles a classifier and trains it, going on from a folder, as in `fit`.

    Args:
        model: the network, whose outputs are logits.
        data: the data set, of which only the training part is used.
        recipe: its epochs, batch_size, learning_rate and weight_decay.
        seed: of the order of the batches.
        unfinished: the folder that holds the state after each epoch.
        advance: called after each epoch.
        callbacks: more callbacks.
        part: as in `fit`.
        optimizer: one that goes on; by default a new one.

    Returns:
        Seconds of each epoch.
    """
    examples = len(data.x_train)
    compile_classifier(model, recipe, examples, optimizer)
    order = shuffled(examples, recipe.batch_size, seed)
    batches = Batches(order, data.x_train, data.y_train)
    return fit(model, batches, recipe.epochs, unfinished, advance, callbacks, part)


class _StopAfter(keras.callbacks.Callback):
    """Ends training before its last epoch; `fit` was told of all of them.

    So the search for gates takes the part of all epochs that it would take.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._last = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch == self._last:
            self.model.stop_training = True


def _forget_if_done(unfinished: Path, epochs: int) -> None:
    """Keras would go on behind the last epoch before it asks whether to stop."""
    diary = unfinished / EPOCHS
    if diary.exists() and len(json.loads(diary.read_text())) >= epochs:
        shutil.rmtree(unfinished)
        unfinished.mkdir()


class _Diary(keras.callbacks.Callback):
    """Orders the batches and the noise, and keeps the seconds of every epoch."""

    def __init__(
        self, batches: Batches, path: Path, advance: Advance, first: int
    ) -> None:
        super().__init__()
        self._batches, self._path, self._advance = batches, path, advance
        self._first = first
        self.seconds: list[float] = []
        if path.exists():
            self.seconds = json.loads(path.read_text())
            for _ in self.seconds:
                advance("done earlier")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # Keras 3.15 saves no state of a SeedGenerator with the weights: here it
        # is what it was when the model was made.
        self._noise = [
            (variable, int(keras.ops.convert_to_numpy(variable)[0]))
            for variable in self.model.non_trainable_variables
            if variable.path.endswith("seed_generator_state")
        ]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches.start(epoch)
        for variable, seed in self._noise:
            # A state is a seed and the number of draws so far.
            variable.assign(np.array([seed, epoch * DRAWS], variable.dtype))
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds[epoch - self._first :] = [
            round(time.monotonic() - self._started, 2)
        ]
        self._path.write_text(json.dumps(self.seconds))
        told = ((name, (logs or {}).get(name)) for name in ("loss", *TOLD))
        parts = [f"{name} {value:.3f}" for name, value in told if value is not None]
        self._advance(", ".join(parts))
