"""What steps of two devices at once leave behind: one step each, on every device."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

_ROOT = Path(__file__).parents[2]

# In a process of its own: devices are set before a backend first uses them.
_TRAIN = """
import keras, numpy as np
import keras_diffmask as kd
from keras_diffmask.costs import WeightPenalty
from keras_diffmask.masking.budgeted import controller_of

if keras.backend.backend() == "jax":
    devices = keras.distribution.list_devices()
    distribution = keras.distribution.DataParallel(devices=devices)
    keras.distribution.set_distribution(distribution)
    scope = distribution.scope
    copies = lambda v: [np.asarray(s.data) for s in v.value.addressable_shards]
else:
    import tensorflow as tf
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, halves)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    scope = strategy.scope
    copies = lambda v: [
        np.asarray(x) for x in strategy.experimental_local_results(v.value)
    ]

with scope():
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(8, "relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    ramp = kd.regularizers.L0(kd.schedules.Linear(0.0, 1e-3, steps=4))
    budget = kd.Budget(macs=0.5)
    cooling = kd.estimators.GumbelSigmoid(
        temperature=kd.schedules.Linear(2.0, 0.5, steps=4)
    )
    model = kd.mask_model(model, cooling, budget=budget, gate_regularizer=ramp)
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=10.0), "mse")
x = np.random.default_rng(0).normal(size=(24, 6)).astype("float32")
model.fit(x, x[:, :1], batch_size=4, epochs=2, verbose=0)

controller = controller_of(model)
steps = [gate.step for gate in kd.gates(model)]
steps += [x.step for x in model.layers if isinstance(x, WeightPenalty)]
assert len(steps) == 2, "the temperature and the penalty are scheduled"
for variable in (controller.step, *steps):
    assert [float(v) for v in copies(variable)] == [12.0, 12.0], variable.path
    assert float(keras.ops.convert_to_numpy(variable)) == 12.0
for variable in model.variables:
    one, two = copies(variable)
    assert np.array_equal(one, two), variable.path
assert float(copies(controller.searching)[1]) == 0.0
kept = [int(gate.keep.sum()) for gate in kd.gates(model) if gate.is_fixed]
assert kept, "nothing was decided"

from keras_diffmask import export
slim = export.strip(model)
plan = export.plan(model)
assert plan.macs[1] <= 0.5 * plan.macs[0]
error = np.abs(np.asarray(slim(x[:4])) - np.asarray(model(x[:4]))).max()
assert error < 1e-5, error
print("done")
"""


@pytest.mark.skipif(
    keras.backend.backend() not in ("tensorflow", "jax"),
    reason="Keras distributes under TensorFlow and JAX",
)
def test_every_step_counts_once_on_every_device() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _TRAIN],
        env={
            **os.environ,
            "KERAS_BACKEND": keras.backend.backend(),
            "PYTHONPATH": str(_ROOT),
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.strip().endswith("done")
