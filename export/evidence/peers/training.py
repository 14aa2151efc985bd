"""Has a peer train in a child process, and brings its network back to Keras."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.child import LOG, Wording, run_child
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.reporter import Advance
from keras_diffmask.export.evidence.families import Family
from keras_diffmask.export.evidence.fitting import shuffled
from keras_diffmask.export.evidence.peers import job as jobs
from keras_diffmask.export.evidence.peers.interpreter import (
    environment,
    interpreter,
    require,
)
from keras_diffmask.export.evidence.peers.peer import Peer

#: How far outputs may be apart, relative to the largest of them if that is over 1.
TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a peer came to.

    Attributes:
        model: its network in Keras 3.
        seconds: of each epoch.
        versions: package -> version.
        difference: the largest between the outputs of both.
    """

    model: keras.Model
    seconds: list[float]
    versions: dict[str, str]
    difference: float


def train_peer(
    peer: Peer,
    family: Family,
    model: keras.Model,
    share: float,
    data: Dataset,
    recipe: Any,
    seed: int,
    unfinished: Path,
    advance: Advance,
) -> Trained:
    """Trains a network with a peer, going on from the last epoch in a folder.

    It starts from the weights of the Keras network, and sees the batches that
    every network of the evidence sees.

    Args:
        peer: which.
        family: of the network, one of the peer's.
        model: the network, as it is before the first step.
        share: MACs that may be left, of the dense network's; weights where the
            peer removes no channels.
        data: the data set, of which the child gets the training part alone.
        recipe: its epochs, batch_size, learning_rate and weight_decay.
        seed: of the order of the batches.
        unfinished: the folder that the child works in.
        advance: called after each epoch, those of an earlier attempt included.

    Raises:
        MissingDependencyError: the peer is not installed.
        ConversionError: the child failed, or its network's outputs are not those
            of the Keras model.
    """
    require(peer)
    job = unfinished.resolve()
    _write(job, peer, family, model, share, data, recipe, seed)
    diary, told = jobs.Diary(job), 0
    earlier = len(diary.entries())

    def tell() -> None:
        nonlocal told
        for entry in diary.entries()[told:]:
            told += 1
            figures = f"loss {entry['loss']:.3f}, accuracy {entry['accuracy']:.3f}"
            advance("done earlier" if told <= earlier else figures)

    report = run_child(
        [interpreter(peer), "-P", "-m", peer.worker, str(job)],
        job,
        _wording(peer, job),
        environment=environment(peer, job),
        watch=tell,
    )
    tell()
    weights, outputs = jobs.read_answer(job)
    twin = family.with_weights(data.input_shape, len(data.classes), weights)
    difference = _require_equal(twin, data.x_train[: jobs.EXAMPLES], outputs, peer.name)
    seconds = [entry["seconds"] for entry in diary.entries()]
    return Trained(twin, seconds, report["versions"], difference)


def _write(
    job: Path,
    peer: Peer,
    family: Family,
    model: keras.Model,
    share: float,
    data: Dataset,
    recipe: Any,
    seed: int,
) -> None:
    order = jobs.Order(
        method=peer.name,
        network=family.name,
        share=share,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        seed=seed,
        classes=len(data.classes),
        settings=peer.settings,
    )
    batches = shuffled(len(data.x_train), recipe.batch_size, seed)
    of_epochs = [np.concatenate(batches(epoch)) for epoch in range(recipe.epochs)]
    told = jobs.Data(
        data.x_train, data.y_train, np.stack(of_epochs), model.get_weights()
    )
    jobs.write(job, order, told)


def _require_equal(
    model: keras.Model, x: np.ndarray, outputs: np.ndarray, name: str
) -> float:
    found = keras.ops.convert_to_numpy(model(x, training=False))
    difference = float(np.abs(found - outputs).max())
    if not difference <= TOLERANCE * max(1.0, float(np.abs(outputs).max())):
        raise ConversionError(
            f"a Keras model with the outputs of {name!r} to {TOLERANCE:g}",
            f"a difference of {difference:.2g}",
            "Please report it with the versions of both.",
        )
    return difference


def _wording(peer: Peer, job: Path) -> Wording:
    look = f"Its last words stand in {str(job / LOG)!r}."
    return Wording(
        who=f"the training of {peer.name!r}",
        hurry=look,
        relief="Free memory and call again; it goes on after its last epoch.",
        crash=look,
        look=look,
    )
