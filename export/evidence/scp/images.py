"""Images as the paper trains on them: standardized, shifted, mirrored."""

import dataclasses

import numpy as np

from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.evidence.fitting import Batches, Order

#: What a picture is padded by on each side, of its height: 4 of 32.
_PAD = 8


def standardized(data: Dataset) -> Dataset:
    """The images less the mean and over the deviation of each color.

    Both are those of the training part.

    Args:
        data: images, (n, height, width, channels).
    """
    mean = data.x_train.mean(axis=(0, 1, 2), dtype=np.float64)
    deviation = data.x_train.std(axis=(0, 1, 2), dtype=np.float64)
    parts = {
        name: ((getattr(data, name) - mean) / deviation).astype(np.float32)
        for name in ("x_train", "x_val", "x_test")
    }
    return dataclasses.replace(data, **parts)


class Moved(Batches):
    """Batches whose images are cropped out of their padded selves, and half mirrored.

    How, depends on the seed, the epoch and the batch alone, so that a training that
    goes on after an interruption sees the same images.

    Args:
        order: as for `Batches`.
        x: standardized images, where 0 is the mean color, (n, height, width,
            channels).
        y: their labels.
        seed: of the moves.
    """

    def __init__(self, order: Order, x: np.ndarray, y: np.ndarray, seed: int) -> None:
        self._seed, self._epoch = seed, 0
        super().__init__(order, x, y)

    def start(self, epoch: int) -> None:
        """Takes the order and the moves of an epoch."""
        self._epoch = epoch
        super().start(epoch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = super().__getitem__(index)
        return moved(x, np.random.default_rng([self._seed, self._epoch, index])), y


def moved(x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Each image moved by an eighth of its height at most, every other one mirrored.

    Args:
        x: images, (n, height, width, channels).
        generator: draws the moves.
    """
    count, height, width, _ = x.shape
    pad = max(1, height // _PAD)
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    tops, lefts = generator.integers(0, 2 * pad + 1, (2, count))
    rows = tops[:, None] + np.arange(height)
    columns = lefts[:, None] + np.arange(width)
    mirrored = generator.random(count) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    examples = np.arange(count)[:, None, None]
    return padded[examples, rows[:, :, None], columns[:, None, :]]
