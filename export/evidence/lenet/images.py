"""The images that the LeNets learn, and other ones for their features."""

import dataclasses
from pathlib import Path

import numpy as np

from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence.settings import Settings

LEARNT, OTHER = "mnist", "fashion_mnist"
QUICK_EXAMPLES = 100
#: Images smaller than this are enlarged: LeNet-5 has no padding.
LEAST, FACTOR = 20, 3


def load(
    settings: Settings, seed: int, reporter: Reporter
) -> tuple[Dataset, Dataset | None]:
    """The data set to train on, and another one where there is one.

    Args:
        settings: what to do. In `data_dir` lie folders `mnist` and
            `fashion_mnist`, or the files of one data set; without it the digits
            of scikit-learn are taken, enlarged.
        seed: of the splits.
        reporter: shows the progress.
    """
    folder = settings.data_dir
    names: tuple[str | None, ...] = (None,)
    if folder is not None and (Path(folder) / LEARNT).is_dir():
        names = LEARNT, OTHER
        if not (Path(folder) / OTHER).is_dir():
            names = (LEARNT,)
    limit = QUICK_EXAMPLES if settings.quick else None
    found = [
        _enlarged(
            datasets.load_in_phase(
                reporter, "reading images", name, folder, seed=seed, limit=limit
            )
        )
        for name in names
    ]
    return found[0], found[1] if len(found) > 1 else None


def _enlarged(data: Dataset) -> Dataset:
    if data.input_shape[0] >= LEAST:
        return data
    block = np.ones((1, FACTOR, FACTOR, 1), np.float32)
    train, val, test = (
        np.kron(x, block) for x in (data.x_train, data.x_val, data.x_test)
    )
    return dataclasses.replace(
        data, x_train=train, x_val=val, x_test=test, input_shape=train.shape[1:]
    )
