"""The child process of tensorflow-model-optimization: `python -m <this module> <job>`.

Magnitude pruning with `PolynomialDecay`, from no sparsity at the first step to the
full one after half of the epochs, as everybody's decision falls there; the rest
trains the weights that are left. Importing it turns `tf.keras` into Keras 2 for the
whole process, so it happens here alone.
"""

import sys
import time
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.child import answer
from keras_diffmask.export.evidence.peers.job import (
    EXAMPLES,
    Data,
    Diary,
    Order,
    read,
    write_answer,
)
from keras_diffmask.export.evidence.peers.tfmot_networks import NETWORKS


def main(job: Path) -> int:
    """Does the job in the directory `job`; returns the exit status."""
    return answer(job, train, _translate)


def train(job: Path) -> dict[str, Any]:
    """Trains under growing sparsity; leaves the weights, zeros among them.

    Returns:
        The versions.
    """
    order, data = read(job)
    tf_keras.utils.set_random_seed(order.seed)
    plain = NETWORKS[order.network](data.x.shape[1:], order.classes)
    plain.set_weights(data.weights)
    steps = -(-len(data.x) // order.batch_size)
    model = tfmot.sparsity.keras.prune_low_magnitude(
        plain, pruning_schedule=schedule(order, steps)
    )
    cosine = tf_keras.optimizers.schedules.CosineDecay(
        order.learning_rate, order.epochs * steps
    )
    model.compile(
        tf_keras.optimizers.AdamW(cosine, weight_decay=order.weight_decay),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    state = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    diary = Diary(job)
    done = len(diary.entries())
    if done:
        state.read(_state(job, done)).assert_existing_objects_matched()
    for epoch in range(done, order.epochs):
        figures = _epoch(model, order, data, epoch)
        state.write(_state(job, epoch + 1))
        diary.add(**figures)
    stripped = tfmot.sparsity.keras.strip_pruning(model)
    outputs = stripped(data.x[:EXAMPLES], training=False).numpy()
    write_answer(job, stripped.get_weights(), outputs)
    return {
        "versions": {
            "tensorflow-model-optimization": tfmot.__version__,
            "tf_keras": tf_keras.__version__,
            "tensorflow": tf.__version__,
        }
    }


def schedule(order: Order, steps: int) -> Any:
    """The sparsity by step.

    It only looks at weights every so many steps, and never after the last: an end
    between two looks would leave the sparsity below what was asked for.

    Args:
        order: what is asked for.
        steps: of an epoch.
    """
    half = max(1, order.switch * steps)
    frequency = min(order.settings["frequency"], half)
    return tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=1 - order.share,
        begin_step=0,
        end_step=half // frequency * frequency,
        frequency=frequency,
    )


def _epoch(model: Any, order: Order, data: Data, epoch: int) -> dict[str, float]:
    chosen = data.batches[epoch]
    x, y = data.x[chosen], data.y[chosen]
    started = time.monotonic()
    history = model.fit(
        x,
        y,
        batch_size=order.batch_size,
        shuffle=False,
        initial_epoch=epoch,
        epochs=epoch + 1,
        verbose=0,
        callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
    ).history
    return {
        "seconds": round(time.monotonic() - started, 2),
        "loss": history["loss"][0],
        "accuracy": history["accuracy"][0],
    }


def _state(job: Path, epochs: int) -> str:
    """The model and the optimizer's moments after so many epochs."""
    return str(job / f"epoch-{epochs}")


def _translate(error: Exception) -> ConversionError:
    return ConversionError(
        "tensorflow-model-optimization to train and prune the network",
        f"{type(error).__name__}: {error}".splitlines()[0],
        "See log.txt in the folder of the unfinished run.",
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
