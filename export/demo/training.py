"""Training and scoring, alike for every network of the demo."""

from typing import Any

import keras
import numpy as np

from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Advance
from keras_diffmask.export.surgery import recalibrate

#: Steps after which 1 % of the first moving averages is left: 0.99 ** 460.
_SETTLED = 460
_SAMPLE = 2048


class _Epochs(keras.callbacks.Callback):
    """Tells the reporter about every epoch."""

    def __init__(self, advance: Advance) -> None:
        super().__init__()
        self.advance = advance

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        self.advance(f"accuracy while training {logs.get('accuracy', 0.0):.1%}")


def train(
    model: keras.Model, data: Dataset, recipe: Recipe, seed: int, advance: Advance
) -> None:
    """Trains a classifier whose outputs are logits.

    Args:
        model: the network; a masked one meets its budget on the way.
        data: the data set, of which only the training part is used.
        recipe: epochs, batch size and learning rate.
        seed: seed of the order of the batches and of the gates' noise.
        advance: called after each epoch.
    """
    keras.utils.set_random_seed(seed)
    x, y = data.x_train, data.y_train
    if recipe.shifts:
        x, y = shifted(x, y)
    compile_classifier(model, recipe, len(x))
    model.fit(
        x,
        y,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        callbacks=[_Epochs(advance)],
        verbose=0,
    )


def settled(model: keras.Model, data: Dataset, recipe: Recipe) -> keras.Model:
    """A network whose normalization statistics are those of its weights.

    After few steps the moving averages, which keep 99 % of what they were at each,
    are still those of the fresh network, and a network that is right on what it was
    trained on is wrong on everything. Then they are computed anew, and only then: a
    whole training is left as it is.

    Args:
        model: the trained network, of stock layers.
        data: the data set, of which only the training part is used.
        recipe: how it was trained.
    """
    has_norms = any(
        isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers
    )
    examples = len(data.x_train) * (3 if recipe.shifts else 1)
    steps = recipe.epochs * -(-examples // recipe.batch_size)
    if not has_norms or steps >= _SETTLED or len(data.x_train) < 2:
        return model
    sample = data.x_train[:_SAMPLE]
    return recalibrate(model, sample, batch_size=min(len(sample), 128))


def compile_classifier(
    model: keras.Model,
    recipe: Any,
    examples: int,
    optimizer: keras.Optimizer | None = None,
) -> None:
    """Compiles a classifier whose outputs are logits, under a cosine to 0.

    Args:
        model: the network.
        recipe: its epochs, batch_size, learning_rate and weight_decay.
        examples: how many there are in an epoch.
        optimizer: one that goes on in the middle of its cosine; by default a new
            one.
    """
    if optimizer is None:
        steps = recipe.epochs * -(-examples // recipe.batch_size)
        schedule = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
        decay = recipe.weight_decay
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=decay)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # XLA takes longer to compile these small graphs than it saves.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )


def shifted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The examples, and each of them one column to the left and to the right.

    Args:
        x: images (n, height, width, channels), or their rows as sequences.
        y: labels.

    Returns:
        Three times as many examples and labels.
    """
    left, right = np.zeros_like(x), np.zeros_like(x)
    left[:, :, :-1], right[:, :, 1:] = x[:, :, 1:], x[:, :, :-1]
    return np.concatenate([x, left, right]), np.concatenate([y, y, y])


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose largest output is the right one, 0 to 1."""
    return float(np.mean(np.argmax(outputs, axis=-1) == labels))


def score(model: keras.Model, x: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of a Keras model, 0 to 1."""
    return accuracy(model.predict(x, batch_size=256, verbose=0), labels)
