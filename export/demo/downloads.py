"""Image data sets over the network: tensorflow-datasets, else keras.datasets."""

import importlib.util

import numpy as np

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.demo.folders import FASHION_CLASSES
from keras_diffmask.export.demo.splits import Raw

CLASSES = {
    "mnist": tuple(str(label) for label in range(10)),
    "fashion_mnist": FASHION_CLASSES,
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer",
        "dog", "frog", "horse", "ship", "truck",
    ),
}  # fmt: skip


def fetch(name: str) -> Raw:
    """Downloads a data set, or takes it from the downloader's cache.

    Args:
        name: `"mnist"`, `"fashion_mnist"` or `"cifar10"`.

    Returns:
        The data set.

    Raises:
        InvalidArgumentError: a data set that has to come from a folder.
        ArtifactError: the download fails.
    """
    if name not in CLASSES:
        raise InvalidArgumentError(
            f"data_dir with the files of {name}, which cannot be downloaded from here",
            "data_dir=None",
            f"Pass --data-dir or data_dir, or one of {', '.join(CLASSES)}.",
        )
    with_tfds = importlib.util.find_spec("tensorflow_datasets") is not None
    try:
        parts = _from_tfds(name) if with_tfds else _from_keras(name)
    except Exception as error:  # the downloaders raise errors of every kind
        source = "tensorflow-datasets" if with_tfds else "keras.datasets"
        reason = (str(error).strip().splitlines() or ["no text"])[0]
        raise ArtifactError(
            f"{name} to be downloaded through {source}",
            f"{type(error).__name__}: {reason}",
            "Check the network, or pass data_dir with the files.",
        ) from error
    x_train, y_train, x_test, y_test = parts
    return Raw(
        _grey(x_train), y_train.reshape(-1), _grey(x_test), y_test.reshape(-1),
        classes=CLASSES[name],
        name=name,
    )  # fmt: skip


def _grey(x: np.ndarray) -> np.ndarray:
    return x[..., 0] if x.ndim == 4 and x.shape[-1] == 1 else x


def _from_keras(name: str) -> tuple[np.ndarray, ...]:
    import keras

    train, test = getattr(keras.datasets, name).load_data()
    return (*train, *test)


def _from_tfds(name: str) -> tuple[np.ndarray, ...]:
    import tensorflow_datasets as tfds

    splits = tfds.load(name, split=["train", "test"], batch_size=-1, as_supervised=True)
    return tuple(np.asarray(part) for split in splits for part in tfds.as_numpy(split))
