"""Write a mask estimator of your own, and use it like those of the library.

    python examples/own_estimator.py

An estimator answers five questions about gate logits: where they start, the mask in
training, the mask at inference, the probability that a gate is open, and how to save
the estimator. Gates, penalties, budgets, strip and conversion work with any that does.
This one is Continuous Sparsification (Savarese, Silva and Maire, arXiv:1912.04427):

    training    mask = sigmoid(beta * logit), where beta grows from 1
    inference   mask = 1 where logit > 0, else 0

It prints the units kept, how far masked, stripped and reloaded model are apart, and
the accuracy. `own_estimator.keras` is left in the folder of `--out`.
"""

import argparse
import math
from pathlib import Path

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

import keras_diffmask as kd
from keras_diffmask import export


# Registered, so that a saved model finds the class again.
@keras.saving.register_keras_serializable("example")
class ContinuousSparsification(kd.estimators.Estimator):
    """Sigmoid gates that harden while training goes on.

    Args:
        beta: float > 0, or a schedule that starts at 1.
        initial_keep: float in (0.5, 1), P(open) at the start.
    """

    # A sigmoid is never exactly 0: what counts as open is a mask above a half.
    open_above = 0.5

    def __init__(self, beta=1.0, initial_keep=0.9):
        super().__init__(initial_keep)
        self.beta = kd.schedules.get(beta, "beta", above=0.0)

    def initial_logit(self):
        return math.log(self.initial_keep / (1.0 - self.initial_keep))

    def sample(self, logits, seed, step=0.0):
        # No noise, so the seed is not used. Any keras.ops have their gradient.
        return ops.sigmoid(kd.schedules.at(self.beta, step) * logits)

    def decide(self, logits, step=0.0):
        return ops.cast(ops.convert_to_tensor(logits) > 0.0, "float32")

    def keep_probability(self, logits, step=0.0):
        return ops.sigmoid(kd.schedules.at(self.beta, step) * logits)

    def get_config(self):
        return {**super().get_config(), "beta": kd.schedules.serialize(self.beta)}


def network() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(32, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2D(48, 3, strides=2, activation="relu", name="middle")(x)
    x = keras.layers.Dense(64, activation="relu", name="hidden")(
        keras.layers.Flatten()(x)
    )
    return keras.Model(inputs, keras.layers.Dense(10, name="head")(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for files")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    digits = load_digits()
    x, y = (digits.images[..., None] / 16.0).astype("float32"), digits.target
    x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

    # A budget searches for the first half of all steps: by then the gates are hard.
    search = options.epochs * math.ceil(len(x_train) / 32) // 2
    beta = kd.schedules.Exponential(1.0, 50.0, steps=search)
    masked = kd.mask_model(
        network(), ContinuousSparsification(beta), budget=kd.Budget(macs=0.3)
    )
    masked.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    masked.fit(x_train, y_train, epochs=options.epochs, batch_size=32, verbose=2)
    kd.summary(masked)

    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "own_estimator.keras"
    masked.save(file)
    loaded = keras.models.load_model(file)
    expected = masked.predict(x_test, verbose=0)
    for name, model in (("reloaded", loaded), ("stripped", export.strip(masked))):
        error = np.abs(model.predict(x_test, verbose=0) - expected).max()
        print(f"largest difference between masked and {name}: {error:.1e}")
    print(f"accuracy {(expected.argmax(axis=-1) == y_test).mean():.1%}")


if __name__ == "__main__":
    main()
