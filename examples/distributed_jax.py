"""Train gates on two devices with keras.distribution.DataParallel, under JAX.

    python examples/distributed_jax.py --epochs 8

XLA splits the CPU into two host devices, which stand in for two GPUs. Set the
distribution before the model is made; the rest is plain `fit`. There is one
mask per gate and step, whatever the number of devices.
"""

import argparse
import os

os.environ["KERAS_BACKEND"] = "jax"
# With GPUs: leave it out.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_diffmask as kd

BATCH = 64  # of all devices together


def network() -> keras.Model:
    hidden = [keras.layers.Dense(48, "relu") for _ in range(2)]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])


def copies(variable: keras.Variable) -> list:
    """The values of a variable, one for each device."""
    return [np.asarray(shard.data) for shard in variable.value.addressable_shards]


class Watch(keras.callbacks.Callback):
    """Counts the steps after which the gates are the same on every device."""

    def __init__(self, devices: int) -> None:
        super().__init__()
        self.devices, self.steps, self.same = devices, 0, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.model.jax_state_sync()
        watched = []
        for gate in kd.gates(self.model):
            watched += [gate.raw_logits, gate.fixed_keep, gate.seed_generator.state]
        values = [copies(variable) for variable in watched]
        self.steps += 1
        self.same += all(
            len(v) == self.devices and np.array_equal(v[0], one)
            for v in values
            for one in v
        )


def train(devices: list[str], data: tuple, options: argparse.Namespace) -> list[float]:
    """The loss after each epoch."""
    keras.utils.set_random_seed(0)
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=devices)
    )
    model = kd.mask_model(network(), budget=kd.Budget(macs=options.budget))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(2e-3), loss)
    watch = Watch(len(devices))
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

    digits = load_digits()
    data = (digits.data[:1280] / 16.0).astype("float32"), digits.target[:1280]
    devices = keras.distribution.list_devices()
    one = train(devices[:1], data, options)
    two = train(devices[:2], data, options)
    difference = np.max(np.abs(np.subtract(two, one)) / np.abs(one))
    print(f"largest relative difference between the losses: {difference:.1e}")


if __name__ == "__main__":
    main()
