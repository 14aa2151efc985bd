"""What the costs foretell of a file, against the file itself."""

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.costs import Gating, device_cost
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.graph import trace
from keras_diffmask.lowering import compiled


def _pruned(model):
    """Half of every gate closed, at random."""
    masked = kd.mask_model(model)
    rng = np.random.default_rng(3)
    for gate in kd.gates(masked):
        gate.set_keep(rng.permutation(np.arange(gate.units) < (gate.units + 1) // 2))
    return export.strip(masked)


@pytest.mark.parametrize("name", ["cnn", "lstm"])
def test_operators_weights_and_arena(zoo, convert_here, name):
    pytest.importorskip("tflite_micro")
    build, x = zoo[name]
    slim = _pruned(build())
    gating = Gating.without_gates(trace(slim))
    flash, ram = (device_cost(cost, gating) for cost in ("flash", "ram"))
    program = compiled(flash.program)
    content = convert_here(slim, x).content
    (graph,) = read_subgraphs(content)
    assert [op.kind for op in program.ops] == [op.name for op in graph.ops]
    # The constants that training made: their bytes in the file, one by one.
    weights = {w.key: w for op in program.ops for w in op.weights}
    foretold = sorted(
        (w.bytes * w.size.of([1.0]), w.scales.of([1.0])) for w in weights.values()
    )
    assert foretold == sorted(_weights_of(graph))
    assert tflm_arena_bytes(content) == pytest.approx(ram.count([]), rel=0.02)
    # Without the dense model's file to go by: the names' lengths are a guess.
    assert len(content) == pytest.approx(flash.count([]), rel=0.1)


def _weights_of(graph):
    """Bytes and scales of each constant that an operator multiplies or adds."""
    places = {"UNIDIRECTIONAL_SEQUENCE_LSTM": (*range(1, 9), *range(12, 16))}
    each = {"INT8": 1, "INT32": 4}
    for op in graph.ops:
        has_kernel = op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        for place in places.get(op.name, (1, 2) if has_kernel else ()):
            tensor = graph.tensors[op.inputs[place]]
            size = float(np.prod(tensor.shape)) * each[tensor.dtype]
            yield size, float(tensor.scale.size)


def test_trained_to_64_kib_runs_in_64_kib(convert_here):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    keras.utils.set_random_seed(5)
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(inputs)
    for filters in (32, 48):
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(filters, 3, padding="same")(y)
        x = x if x.shape[-1] == filters else layers.Conv2D(filters, 1)(x)
        x = layers.MaxPooling2D()(layers.ReLU()(layers.Add()([x, y])))
    outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    # No margin: the arena is that of the computer.
    budget = kd.Budget(ram="64 KiB", margin=0)
    masked = kd.mask_model(keras.Model(inputs, outputs), budget=budget)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    masked.compile("adam", loss)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(64, 32, 32, 3)).astype("float32")
    masked.fit(data, rng.integers(0, 10, 64), batch_size=16, epochs=2, verbose=0)
    slim = export.strip(masked)
    artifact = convert_here(slim, data[:16])
    used = artifact.arena_bytes()
    # One more channel of the largest map would be 1 KiB or more.
    assert 0.9 * 65536 < used <= 65536
    interpreter = runtime.Interpreter.from_bytes(artifact.content, arena_size=65536)
    interpreter.set_input(artifact.inputs[0].quantize(data[:1]), 0)
    interpreter.invoke()
    assert interpreter.get_output(0).shape == (1, 10)
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(artifact.content, arena_size=used - 1024)
