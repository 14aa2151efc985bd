"""What lies in the folder of a peer's training: what it is told, what it answers.

Child and parent may be of different interpreters, so that nothing goes between
them but arrays of NumPy and JSON.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.atomic import write_atomically

DATA, ORDER, EPOCHS, ANSWER = "data.npz", "order.json", "epochs.json", "answer.npz"
#: What the names of the weights' arrays begin with; a number in Keras' order follows.
WEIGHT = "weight/"
#: How many examples the trained network answers, to compare with the Keras model.
EXAMPLES = 64


@dataclasses.dataclass(frozen=True)
class Order:
    """What a peer is to do.

    Args:
        method: name of the peer.
        network: name of the network's family.
        share: of the dense network that may be left: of its MACs, and of its
            weights where a peer removes no channels.
        epochs: in all.
        batch_size: examples per step.
        learning_rate: AdamW's at the first step; it falls to 0 along a cosine.
        weight_decay: AdamW's.
        seed: for what is drawn at random, which is little: initial weights and
            batches come with the data.
        classes: number of outputs.
        settings: the library's own.
    """

    method: str
    network: str
    share: float
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    classes: int
    settings: dict[str, Any]

    @property
    def switch(self) -> int:
        """The epoch at whose start the decision has fallen."""
        return int(self.settings["end"] * self.epochs)


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """What a peer trains on.

    Args:
        x, y: the training part.
        batches: per epoch the examples in the order in which they come.
        weights: of the network before the first step, in Keras' order.
    """

    x: np.ndarray
    y: np.ndarray
    batches: np.ndarray
    weights: list[np.ndarray]

    def epoch(self, epoch: int, batch_size: int) -> list[np.ndarray]:
        """The index arrays of an epoch's batches."""
        order = self.batches[epoch]
        return np.array_split(order, range(batch_size, len(order), batch_size))


def write(job: Path, order: Order, data: Data) -> None:
    """In the parent: lays out a job."""
    (job / ORDER).write_text(json.dumps(dataclasses.asdict(order)))
    arrays = {"x": data.x, "y": data.y, "batches": data.batches}
    np.savez(job / DATA, **arrays, **_numbered(data.weights))  # type: ignore[arg-type]


def read(job: Path) -> tuple[Order, Data]:
    """In the child: what `write` laid out."""
    order = Order(**json.loads((job / ORDER).read_text()))
    with np.load(job / DATA, allow_pickle=False) as stored:
        arrays = dict(stored)
    weights = _in_order(arrays)
    return order, Data(arrays["x"], arrays["y"], arrays["batches"], weights)


def write_answer(job: Path, weights: list[np.ndarray], outputs: np.ndarray) -> None:
    """In the child: leaves the trained network.

    Args:
        job: the folder.
        weights: in Keras' order.
        outputs: for the first `EXAMPLES` of the training part.
    """
    np.savez(job / ANSWER, outputs=outputs, **_numbered(weights))  # type: ignore[arg-type]


def read_answer(job: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """In the parent: what `write_answer` left."""
    with np.load(job / ANSWER, allow_pickle=False) as stored:
        arrays = dict(stored)
    return _in_order(arrays), arrays["outputs"]


class Diary:
    """The epochs that are done; a child goes on after them, its parent reads along.

    Args:
        job: the folder.
    """

    def __init__(self, job: Path) -> None:
        self._path = job / EPOCHS

    def entries(self) -> list[dict[str, float]]:
        """Seconds, loss and accuracy of each."""
        if not self._path.exists():
            return []
        return json.loads(self._path.read_text())

    def add(self, **figures: float) -> None:
        """Notes an epoch, whose state has to be written before."""
        text = json.dumps([*self.entries(), figures])
        write_atomically(self._path, lambda file: file.write_text(text))


def _numbered(weights: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{WEIGHT}{place}": weight for place, weight in enumerate(weights)}


def _in_order(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    count = sum(name.startswith(WEIGHT) for name in arrays)
    return [arrays[f"{WEIGHT}{place}"] for place in range(count)]
