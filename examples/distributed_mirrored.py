"""Train gates on two devices with tf.distribute.MirroredStrategy.

    python examples/distributed_mirrored.py --epochs 8

Two logical CPU devices stand in for two GPUs. Make the model, its optimizer
and its gates in the strategy's scope; the rest is plain `fit`. Each device
draws the same mask, so that one network is trained, as on one device.
"""

import argparse
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import keras_diffmask as kd

BATCH = 64  # of all devices together


def network() -> keras.Model:
    hidden = [keras.layers.Dense(48, "relu") for _ in range(2)]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])


def copies(variable: keras.Variable, strategy: tf.distribute.Strategy) -> list:
    """The values of a variable, one for each device."""
    return [np.asarray(v) for v in strategy.experimental_local_results(variable.value)]


class Watch(keras.callbacks.Callback):
    """Counts the steps after which the gates are the same on every device."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        super().__init__()
        self.strategy, self.steps, self.same = strategy, 0, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        watched = []
        for gate in kd.gates(self.model):
            watched += [gate.raw_logits, gate.fixed_keep, gate.seed_generator.state]
        values = [copies(variable, self.strategy) for variable in watched]
        devices = self.strategy.num_replicas_in_sync
        self.steps += 1
        self.same += all(
            len(v) == devices and np.array_equal(v[0], one) for v in values for one in v
        )


def train(devices: list[str], data: tuple, options: argparse.Namespace) -> list[float]:
    """The loss after each epoch."""
    keras.utils.set_random_seed(0)
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        budget = kd.Budget(macs=options.budget)
        model = kd.mask_model(network(), budget=budget)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.AdamW(2e-3), loss)
    watch = Watch(strategy)
    history = model.fit(
        *data, batch_size=BATCH, epochs=options.epochs, callbacks=[watch], verbose=0
    )
    losses = history.history["loss"]
    print(f"{len(devices)} device(s): loss", *[f"{x:.5f}" for x in losses])
    print(f"  the same gates on every device after {watch.same} of {watch.steps} steps")
    print(f"  kept {[int(gate.keep.sum()) for gate in kd.gates(model)]}")
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=0.3, help="share of the MACs")
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()

    # Before TensorFlow first uses the CPU. With GPUs: leave it out.
    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(cpu, halves)

    digits = load_digits()
    data = (digits.data[:1280] / 16.0).astype("float32"), digits.target[:1280]
    one = train(["CPU:0"], data, options)
    two = train(["CPU:0", "CPU:1"], data, options)
    difference = np.max(np.abs(np.subtract(two, one)) / np.abs(one))
    print(f"largest relative difference between the losses: {difference:.1e}")


if __name__ == "__main__":
    main()
