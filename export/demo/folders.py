"""Data sets from files: scikit-learn's digits, and folders of known layouts."""

import gzip
import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export.demo.splits import Raw, stratified

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
JPEG_NOTE = "JPEG copies of CIFAR-10: not comparable with published accuracies"


def digits(seed: int = 0) -> Raw:
    """The 1,797 handwritten digits of 8x8 pixels inside scikit-learn.

    Args:
        seed: seed of the split; every seed has its own test part.

    Returns:
        The data set, 25 % of it held out as the test part, stratified.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDependencyError(
            "scikit-learn, which carries the digits, to be installed",
            "an environment without it",
            "Install it with `pip install scikit-learn` (the extra `demo` has it), or "
            "pass data_dir.",
        ) from error
    bunch = load_digits()
    x, y = bunch.images.astype(np.float32), bunch.target
    held_out = stratified(y, round(0.25 * len(y)), np.random.default_rng(seed))
    test = np.zeros(len(y), bool)
    test[held_out] = True
    return Raw(
        x[~test], y[~test], x[test], y[test],
        classes=tuple(str(label) for label in range(10)),
        name="digits",
        note="1,797 real handwritten digits, 8x8, from scikit-learn",
        divisor=16.0,
    )  # fmt: skip


def read(data_dir: str | os.PathLike[str], name: str | None = None) -> Raw:
    """Reads the data set in a folder, recognised by its files.

    Args:
        data_dir: the folder itself, or with `name` the one above it.
        name: which data set; by default the one whose files are there.

    Returns:
        The data set.

    Raises:
        InvalidArgumentError: no such folder, or not the files of a data set.
        ArtifactError: a file is damaged.
    """
    root = Path(data_dir)
    wanted = tuple(FOLDERS) if name is None else (name,)
    folders = [root] if name is None else [root, root / name]
    for candidate in wanted:
        for folder in folders:
            if holds(folder, candidate):
                raw = _read(FOLDERS[candidate][1], folder)
                # MNIST and Fashion-MNIST have the same files.
                if name in (None, raw.name):
                    return raw
    looked_for = "; ".join(
        f"{known}: {', '.join(FOLDERS[known][0])}"
        for known in wanted
        if known in FOLDERS
    )
    state = "without them" if root.is_dir() else "which is no folder"
    raise InvalidArgumentError(
        f"a folder with the files of a data set ({looked_for or ', '.join(FOLDERS)})",
        f"data_dir={str(root)!r}" + (f", name={name!r}, " if name else ", ") + state,
        "Pass the folder that holds these files.",
    )


def holds(data_dir: str | os.PathLike[str], name: str) -> bool:
    """Whether the files of a data set lie in a folder; none is opened.

    Args:
        data_dir: the folder.
        name: of the data set. MNIST and Fashion-MNIST have the same files.
    """
    files = FOLDERS[name][0] if name in FOLDERS else ()
    return bool(files) and all((Path(data_dir) / file).is_file() for file in files)


#: What reading a damaged archive ends with; zipfile takes some damage for features
#: that it lacks (RuntimeError).
_DAMAGE = (BadZipFile, EOFError, RuntimeError, zlib.error)


def _read(reader: Callable[[Path], Raw], folder: Path) -> Raw:
    try:
        return reader(folder)
    except (*_DAMAGE, OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            "whole files of the data set",
            f"{str(folder)!r}, where reading ends with {type(error).__name__}: "
            f"{str(error) or 'no text'}",
            "Copy the files again.",
        ) from error


#: What the test labels of the digits begin with; Fashion-MNIST has the same files.
_MNIST_LABELS = (7, 2, 1, 0, 4, 1, 4, 9)


def _idx(folder: Path) -> Raw:
    parts: list[np.ndarray] = []
    for split in ("train", "t10k"):
        images = gzip.decompress(
            (folder / f"{split}-images-idx3-ubyte.gz").read_bytes()
        )
        labels = gzip.decompress(
            (folder / f"{split}-labels-idx1-ubyte.gz").read_bytes()
        )
        # IDX: 16 bytes before the images, 8 before the labels.
        x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
        y = np.frombuffer(labels, np.uint8, offset=8)
        if len(x) != len(y):
            raise ValueError(f"{len(x)} images but {len(y)} labels")
        parts += [x, y]
    x_train, y_train, x_test, y_test = parts
    are_digits = tuple(y_test[: len(_MNIST_LABELS)]) == _MNIST_LABELS
    return Raw(
        x_train, y_train, x_test, y_test,
        classes=tuple(map(str, range(10))) if are_digits else FASHION_CLASSES,
        name="mnist" if are_digits else "fashion_mnist",
    )  # fmt: skip


def _cifar10(folder: Path) -> Raw:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependencyError(
            "Pillow, which decodes the JPEG images, to be installed",
            "an environment without it",
            "Install it with `pip install pillow`.",
        ) from error
    parts: list[np.ndarray] = []
    for split in ("train", "test"):
        stored = _arrays(folder / f"cifar10_{split}.npz")
        data, offset = stored["jpg"].tobytes(), stored["offset"]
        images = [
            np.asarray(Image.open(io.BytesIO(data[start:end])))
            for start, end in zip(offset[:-1], offset[1:], strict=True)
        ]
        parts += [np.stack(images), stored["y"]]
    x_train, y_train, x_test, y_test = parts
    return Raw(
        x_train, y_train, x_test, y_test,
        classes=_names(stored["classes"]),
        name="cifar10",
        note=JPEG_NOTE,
    )  # fmt: skip


def _speech_commands(folder: Path) -> Raw:
    train, val, test = (
        _arrays(folder / f"kws_{split}.npz") for split in ("train", "val", "test")
    )
    return Raw(
        train["mfcc"], train["y"], test["mfcc"], test["y"],
        x_val=val["mfcc"],
        y_val=val["y"],
        classes=_names(train["classes"]),
        name="speech_commands",
        note="subset of the Speech Commands test set, split anew by speaker",
        divisor=None,
    )  # fmt: skip


def _uci_har(folder: Path) -> Raw:
    train, test = (_arrays(folder / f"har_{split}.npz") for split in ("train", "test"))
    return Raw(
        train["x"], train["y"], test["x"], test["y"],
        groups=train["subject"],
        classes=_names(train["classes"]),
        name="uci_har",
        note="UCI HAR, rebuilt windows",
        divisor=None,
    )  # fmt: skip


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return dict(stored)


def _names(classes: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in classes)


# Name -> the files that must be there, and what reads them.
_IDX_FILES = tuple(
    f"{split}-{kind}-ubyte.gz"
    for split in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)
FOLDERS: dict[str, tuple[tuple[str, ...], Callable[[Path], Raw]]] = {
    "fashion_mnist": (_IDX_FILES, _idx),
    "mnist": (_IDX_FILES, _idx),
    "cifar10": (("cifar10_train.npz", "cifar10_test.npz"), _cifar10),
    "speech_commands": (
        ("kws_train.npz", "kws_val.npz", "kws_test.npz"),
        _speech_commands,
    ),
    "uci_har": (("har_train.npz", "har_test.npz"), _uci_har),
}
