"""Train gates in two processes with tf.distribute.MultiWorkerMirroredStrategy.

    python examples/distributed_multi_worker.py --epochs 8

Starts two workers on 127.0.0.1, then trains on one device to compare. Keras 3
does not run `fit` under this strategy as it is (keras-team/keras#20585): the
class `Worker` and the second model in `train` are the two detours it takes.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import keras_diffmask as kd

BATCH = 64  # of all workers together


class Worker(keras.Model):
    """Gives its metrics an axis, along which Keras takes the mean over workers."""

    def train_step(self, data: tuple) -> dict:
        logs = super().train_step(data)
        return {name: keras.ops.expand_dims(v, 0) for name, v in logs.items()}


class Record(keras.callbacks.Callback):
    """Remembers the state of all gates after each step."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.steps: list = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        state = []
        for gate in kd.gates(self.model):
            state += [gate.raw_logits, gate.fixed_keep, gate.seed_generator.state]
        self.steps.append(np.concatenate([v.numpy().astype(float) for v in state]))


def train(strategy: tf.distribute.Strategy, options: argparse.Namespace) -> dict:
    """Losses of the epochs, and the gates after each step."""
    keras.utils.set_random_seed(0)
    digits = load_digits()
    x, y = (digits.data[:1280] / 16.0).astype("float32"), digits.target[:1280]
    with strategy.scope():
        hidden = [keras.layers.Dense(32, "relu") for _ in range(2)]
        plain = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
        if strategy.num_replicas_in_sync > 1:
            plain = Worker(plain.inputs, plain.outputs)
        model = kd.mask_model(plain, budget=kd.Budget(macs=options.budget))
    # A model from inside of the scope begins `fit` by reducing a batch of data over
    # the workers, which TensorFlow refuses; the variables have to be from inside.
    model = type(model)(model.inputs, model.outputs)
    record = Record()
    with strategy.scope():
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.AdamW(2e-3), loss)
        model.optimizer.build(model.trainable_variables)
        history = model.fit(
            x, y, BATCH, options.epochs, verbose=0, callbacks=[record], shuffle=False
        )
    return {"loss": history.history["loss"], "gates": np.stack(record.steps)}


def run_workers(count: int, folder: Path) -> list[dict]:
    """Each worker's result; a worker runs this file with the same arguments."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for index in range(count):
        task = {"type": "worker", "index": index}
        cluster = json.dumps({"cluster": {"worker": addresses}, "task": task})
        env = os.environ | {"TF_CONFIG": cluster, "OUT": str(folder / f"{index}.npz")}
        processes.append(subprocess.Popen([sys.executable, *sys.argv], env=env))
    try:
        if any([process.wait(timeout=600) for process in processes]):
            raise SystemExit("A worker failed; its error is above.")
    finally:
        for process in processes:
            process.kill()
    return [dict(np.load(folder / f"{index}.npz")) for index in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=0.3, help="share of the MACs")
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    if "TF_CONFIG" in os.environ:
        result = train(tf.distribute.MultiWorkerMirroredStrategy(), options)
        np.savez(os.environ["OUT"], **result)
        return
    with tempfile.TemporaryDirectory() as folder:
        first, second = run_workers(2, Path(folder))
    one = train(tf.distribute.get_strategy(), options)
    print("1 device: loss", *[f"{x:.5f}" for x in one["loss"]])
    print("2 workers: loss", *[f"{x:.5f}" for x in first["loss"]])
    same = (first["gates"] == second["gates"]).all(axis=1)
    print(f"  the same gates in every worker after {same.sum()} of {len(same)} steps")
    difference = np.max(np.abs(first["loss"] - one["loss"]) / np.abs(one["loss"]))
    print(f"largest relative difference between the losses: {difference:.1e}")


if __name__ == "__main__":
    main()
