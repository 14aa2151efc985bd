"""Tiny .tflite files, made by the converter itself, for all benchmark tests."""

import uuid

import numpy as np
import pytest

SHAPE = (1, 6, 6, 2)


def _convert(function, shape, int8=False):
    import tensorflow as tf

    module = tf.Module()
    module.call = tf.function(function, [tf.TensorSpec(shape, tf.float32)])
    concrete = module.call.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    if int8:
        generator = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [generator.uniform(-1, 1, shape).astype("float32")] for _ in range(4)
        )
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    return converter.convert()


def _cnn(x):
    import tensorflow as tf

    generator = np.random.default_rng(1)
    kernel = tf.constant(generator.normal(size=(3, 3, 2, 4)), tf.float32)
    dense = tf.constant(generator.normal(size=(4, 3)), tf.float32)
    x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
    return tf.matmul(tf.reduce_mean(x, (1, 2)), dense)


def _lstm(x):
    """The form that the converter fuses; it keeps its state between runs."""
    import tensorflow as tf

    units, features = 3, x.shape[2]
    generator = np.random.default_rng(2)
    kernel = tf.constant(generator.normal(size=(features, 4 * units)), tf.float32)
    recurrent = tf.constant(generator.normal(size=(units, 4 * units)), tf.float32)

    def body(inputs, h, c, kernel, recurrent, bias):
        states = []
        for step in range(inputs.shape[1]):
            gates = inputs[:, step] @ kernel + h @ recurrent + bias
            i, f, g, o = tf.split(gates, 4, 1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            states.append(h)
        return h, tf.stack(states, 1), h, c, tf.constant(0.0)

    fused = tf.function(
        body,
        autograph=False,
        experimental_attributes={
            "api_implements": f"lstm_{uuid.uuid4()}",
            "time_major": False,
            "go_backwards": False,
        },
    )
    zeros = tf.zeros([1, units])
    return fused(x, zeros, zeros, kernel, recurrent, tf.zeros([4 * units]))[0]


@pytest.fixture(scope="session")
def cnn() -> bytes:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    return _convert(_cnn, SHAPE)


@pytest.fixture(scope="session")
def cnn_int8() -> bytes:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    return _convert(_cnn, SHAPE, int8=True)


@pytest.fixture(scope="session")
def lstm() -> bytes:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    return _convert(_lstm, (1, 5, 2))


class FakeClock:
    """Time that stands still until somebody works."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


class FakeRunner:
    """Takes the given nanoseconds per run, and writes down what it does."""

    def __init__(self, name, clock, cost, log):
        self.name, self.clock, self.cost, self.log = name, clock, cost, log
        self.done = 0

    def prepare(self):
        self.log.append(("prepare", self.name))
        self.clock.now += 10**9  # never to be seen in a time

    def run(self):
        self.log.append(("run", self.name))
        cost = self.cost(self.done) if callable(self.cost) else self.cost
        self.clock.now += cost
        self.done += 1


@pytest.fixture
def stage():
    """A fake clock, its runners' common log, and a way to make runners."""
    clock, log = FakeClock(), []
    return clock, log, lambda name, cost: FakeRunner(name, clock, cost, log)
