"""Data sets for the demo, ready for `fit`: scaled inputs, integer labels."""

import dataclasses
import os
from typing import Any

import numpy as np

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.demo import downloads, folders, splits
from keras_diffmask.export.demo.reporter import Reporter

TASKS = ("image", "sequence")
NAMES = ("digits", *folders.FOLDERS)


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels in three parts that share no example.

    Args:
        x_train, x_val, x_test: float32 inputs, scaled with the statistics of
            the training part alone.
        y_train, y_val, y_test: int64 labels from 0.
        classes: name of each label.
        name: name of the data set.
        note: what to say next to a number measured on it.
        input_shape: shape of one example.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    name: str
    note: str
    input_shape: tuple[int, ...]


def load(
    name: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    task: str = "image",
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """Loads a data set for an image or a sequence classifier.

    With nothing given these are the handwritten digits that ship inside
    scikit-learn, so nothing is downloaded. Grey images serve the task
    "sequence" with their rows as steps. 8-bit pixels are divided by 255 (the
    digits by 16); features are standardised with the training part's mean and
    deviation. Where the set comes without a validation part, one is taken out
    of the training part: by person where persons are known, else stratified.

    Args:
        name: `"digits"`, `"fashion_mnist"`, `"cifar10"`, `"speech_commands"`,
            `"uci_har"` or `"mnist"`. By default the digits, or whatever
            `data_dir` holds.
        data_dir: folder with the files of a data set, or the folder above it
            when `name` says which; without it, images other than the digits
            are downloaded through tensorflow-datasets or `keras.datasets`.
        task: `"image"` for examples (height, width, channels), `"sequence"`
            for examples (steps, features).
        seed: seed of the splits and of `limit`.
        limit: at most so many examples in the training part, and at most half
            as many in each of the other two; at least two per class.

    Returns:
        The `Dataset`.

    Raises:
        InvalidArgumentError: an unknown name or task, a data set that does
            not fit the task, or a folder without the files of one.
        ArtifactError: a file of the data set is damaged, or the download fails.
        MissingDependencyError: scikit-learn (digits) or Pillow (CIFAR-10 from
            a folder) is not installed.

    Example:
        >>> data = load()
        >>> data.x_train.shape, data.input_shape
        ((1213, 8, 8, 1), (8, 8, 1))
        >>> load(data_dir="data/uci_har", task="sequence").input_shape
        (128, 9)
    """
    _check(name, task)
    if data_dir is not None:
        raw = folders.read(data_dir, name)
    elif name is None or name == "digits":
        raw = folders.digits(seed)
    else:
        raw = downloads.fetch(name)
    raw = splits.for_task(raw, task)
    raw = splits.with_validation(raw, seed)
    if limit is not None:
        raw = splits.limited(raw, limit, seed)
    train, val, test = (part.astype(np.float32) for part in splits.scaled(raw))
    labels = [np.asarray(y, np.int64) for y in (raw.y_train, raw.y_val, raw.y_test)]
    return Dataset(
        train, labels[0], val, labels[1], test, labels[2],
        classes=raw.classes,
        name=raw.name,
        note=raw.note,
        input_shape=train.shape[1:],
    )  # fmt: skip


def load_in_phase(reporter: Reporter, label: str, *given: Any, **more: Any) -> Dataset:
    """`load`, shown as a phase of its own.

    Args:
        reporter: shows the progress.
        label: name of the phase.
        *given: as for `load`.
        **more: as for `load`.
    """
    with reporter.phase(label) as advance:
        data = load(*given, **more)
        advance(f"{data.name}, {len(data.x_train):,} examples to train on")
    return data


def _check(name: str | None, task: str) -> None:
    if task not in TASKS:
        raise InvalidArgumentError(
            "task='image' or task='sequence'", f"task={task!r}", "Pass one of the two."
        )
    check_name(name)


def check_name(name: str | None) -> None:
    """Refuses a name that no data set has; None is any.

    Raises:
        InvalidArgumentError: with those that there are.
    """
    if name is not None and name not in NAMES:
        raise InvalidArgumentError(
            f"name as one of {', '.join(NAMES)}",
            f"name={name!r}",
            "Use one of these, or leave it out for the digits.",
        )
