"""Every kind of recurrent layer, many in one model: fused where TFLite can."""

import re
from collections import Counter

import keras
import numpy as np
import pytest

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.emit import checks, recurrent
from keras_diffmask.export.emit.checks import check_content
from keras_diffmask.export.emit.recurrent import FusedCall, recurrences
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.targets import HOST, Target
from tests.export.emit.conftest import shake

layers = keras.layers
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
STEPS, FEATURES = 10, 5


def x(count=96):
    generator = np.random.default_rng(6)
    return generator.standard_normal((count, STEPS, FEATURES)).astype("float32")


def fusable():
    """19 fused operators, one output per branch."""
    keras.utils.set_random_seed(11)
    inputs = keras.Input((STEPS, FEATURES))
    branches = {
        # A bias of 1 on the forget gate is Keras' default: also none, and no bias.
        "biases": layers.LSTM(3, unit_forget_bias=False, name="plain")(
            layers.LSTM(7, return_sequences=True, use_bias=False)(inputs)
        ),
        "unroll": layers.LSTM(3, unroll=True, go_backwards=True)(inputs),
        "one step": layers.LSTM(4)(inputs[:, :1]),
        "states": layers.Concatenate()(
            layers.LSTM(3, return_state=True, name="h_only")(inputs)[:2]
        ),
        "cells": layers.RNN(
            [layers.LSTMCell(4), layers.LSTMCell(3)], go_backwards=True
        )(inputs),
        "in time": layers.TimeDistributed(layers.LSTM(2))(
            layers.Reshape((2, STEPS // 2, FEATURES))(inputs)
        ),
    }
    for mode in ("concat", "sum", "ave", "mul"):
        both = layers.Bidirectional(
            layers.LSTM(3, return_sequences=mode != "sum"), merge_mode=mode
        )
        branches[mode] = both(inputs)
    wide = layers.LSTM(6, return_sequences=True, go_backwards=True)
    narrow = layers.LSTM(2, return_sequences=True)
    branches["apart"], branches["widths"] = layers.Bidirectional(
        narrow, merge_mode=None, backward_layer=wide
    )(inputs)
    model = keras.Model(inputs, list(branches.values()), name="fusable")
    shake(model)
    return model


def unrolled():
    """No fused operator, one output per branch."""
    keras.utils.set_random_seed(12)
    inputs = keras.Input((STEPS, FEATURES))
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(inputs)
    # As a strip leaves two directions of different widths.
    there = layers.GRU(3, return_sequences=True)(inputs)
    back = layers.GRU(2, return_sequences=True, go_backwards=True)(inputs)
    branches = [
        layers.Concatenate()([there, keras.ops.flip(back, axis=1)]),
        layers.GRU(4, name="after")(inputs),
        layers.GRU(3, reset_after=False, go_backwards=True)(inputs),
        layers.GRU(3, use_bias=False, return_sequences=True)(inputs),
        layers.Bidirectional(layers.GRU(3, return_sequences=True))(inputs),
        layers.SimpleRNN(3, name="simple")(inputs),
        layers.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid")(inputs),
        layers.LSTM(4, name="decoder")(inputs, initial_state=[h, c]),
        layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(3)])(inputs),
    ]
    model = keras.Model(inputs, branches, name="unrolled")
    shake(model)
    return model


@pytest.fixture(scope="module")
def written(convert_once):
    """(name, quantization) -> artifact, and the names of its recurrent layers."""
    return {
        (build.__name__, quantization): convert_once(build(), x(), quantization)
        for build in (fusable, unrolled)
        for quantization in ("float32", "int8")
    }


@pytest.mark.parametrize("build", [fusable, unrolled], ids=lambda b: b.__name__)
def test_every_branch_answers_as_in_keras(written, build):
    reference = build().predict(x(), verbose=0)
    for quantization, limit in (("float32", 1e-5), ("int8", None)):
        outputs = written[build.__name__, quantization].run(x())
        for place, (ours, keras_) in enumerate(zip(outputs, reference, strict=True)):
            error = ours - keras_
            if limit is not None:
                assert np.abs(error).max() <= limit, place
            else:
                share = np.sqrt(np.mean(error**2) / np.mean(keras_**2))
                # Measured: up to 2.3 % of a fused branch, 3.3 % of an unrolled one.
                assert share <= (0.03 if build is fusable else 0.05), (place, share)


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_one_operator_per_layer_and_direction(written, quantization):
    ops = Counter(written["fusable", quantization].ops)
    # biases 2, unroll, one step, states, cells 2, in time 2, Bidirectional 5 x 2
    assert ops[LSTM] == 19
    copies = {"REVERSE_V2", "STRIDED_SLICE", "CONCATENATION", "RESHAPE", "PACK"}
    assert set(ops) <= copies | {LSTM, "ADD", "MUL"}
    assert written["fusable", quantization].quantization == quantization


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_unrolled_operators_are_as_many_as_announced(written, quantization):
    artifact = written["unrolled", quantization]
    assert LSTM not in artifact.ops and "REVERSE_V2" not in artifact.ops
    announced = {
        layers.LSTMCell: 12,
        layers.GRUCell: 12,
        layers.SimpleRNNCell: 3,
    }
    cells = [
        cell
        for recurrence in recurrences(unrolled())
        for cell in recurrent.cells(recurrence.layer)
    ]
    expected = STEPS * sum(announced[type(cell)] for cell in cells)
    assert 0.9 * expected < len(artifact.ops) < 1.1 * expected
    assert artifact.quantization == quantization


def test_reasons_and_costs_are_told():
    found = {r.layer.name: r for r in recurrences(unrolled())}
    assert "(it is a GRU)" in found["after"].note
    assert "(its final cell state c is used)" in found["encoder"].note
    assert "(it is given an initial state)" in found["decoder"].note
    assert found["simple"].note == (
        "Layer 'simple' has no fused TFLite operator (it is a SimpleRNN) and is "
        "unrolled: about 3 operators per step, 30 for its 10 steps, which take some "
        "5 kB of TFLM arena and 9 kB of an int8 file. A fused LSTM is one operator."
    )
    assert all(r.fused and r.note == "" for r in recurrences(fusable()))


def test_a_converter_that_fuses_no_longer_is_named(convert_here, monkeypatch):
    # The final c of a fused layer must not be read: the converter then leaves the
    # loop as it is, which is what a changed converter would do.
    monkeypatch.setattr(recurrent, "_reason", lambda *arguments: "")
    inputs = keras.Input((STEPS, FEATURES))
    first = layers.LSTM(3, return_sequences=True, name="first")(inputs)
    _, _, c = layers.LSTM(4, return_state=True, name="second")(first)
    sentence = r"2 fused .*'first', 'second'.*received 1, with none for 'second' \(10 "
    with pytest.raises(ConversionError, match=sentence + ".*WHILE"):
        convert_here(keras.Model(inputs, c), x(), "float32")


def test_fused_operators_are_counted_by_size(written):
    content = written["unrolled", "float32"].content
    with pytest.raises(ConversionError, match="received 0, with none for 'l'"):
        check_content(content, "float32", HOST, [FusedCall("l", 4, 4, 4)])
    content = written["fusable", "float32"].content
    with pytest.raises(ConversionError, match="received 19.* and 19 for no layer"):
        check_content(content, "float32", HOST)


def test_numbers_of_another_width_are_named(written, monkeypatch):
    # As if the converter wrote the hidden state where the cell state belongs.
    monkeypatch.setattr(checks, "CELL_INPUT", checks.STATE_INPUT)
    content = written["fusable", "int8"].content
    fused = [
        FusedCall("l", *checks.lstm_sizes(graph, op)) for graph, op in lstms(content)
    ]
    with pytest.raises(
        ConversionError, match=f"INT16 at input 18 of an integer {LSTM}"
    ):
        check_content(content, "int8", HOST, fused)


def lstms(content):
    graph = read_subgraphs(content)[0]
    return [(graph, op) for op in graph.ops if op.name == LSTM]


def test_a_flip_of_what_is_read_unflipped_too_is_refused(convert_here):
    # A REVERSE_V2 behind what was packed from unrolled steps: their scales part.
    keras.utils.set_random_seed(16)
    inputs = keras.Input((STEPS, FEATURES))
    there = layers.GRU(3, return_sequences=True)(3 * inputs)
    back = layers.GRU(3, return_sequences=True, go_backwards=True)(inputs)
    both = layers.Concatenate()([there, keras.ops.flip(back, axis=1)])
    model = keras.Model(inputs, [both, layers.GlobalMaxPooling1D()(back)])
    shake(model)
    with pytest.raises(ConversionError, match="PACK assumes; .*Bidirectional"):
        convert_here(model, x())


def test_a_target_without_the_operators_is_refused(written):
    small = Target("small", frozenset({"FULLY_CONNECTED", "ADD", "STRIDED_SLICE"}))
    with pytest.raises(ConversionError, match="'small' has for .*SPLIT.*/after_1/"):
        check_content(written["unrolled", "float32"].content, "float32", small)


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_steps_within_steps(convert_here, quantization):
    """Each wrapper around another one, or around a model that holds one."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((STEPS, FEATURES))
    grid = layers.Reshape((2, STEPS // 2, FEATURES))(inputs)
    dense = layers.TimeDistributed(layers.Dense(4))
    flat = keras.Sequential(
        [
            keras.Input((STEPS // 2, FEATURES, 1)),
            layers.TimeDistributed(layers.Flatten()),
        ]
    )
    cube = layers.Reshape((2, STEPS // 2, FEATURES, 1))(inputs)
    outputs = [
        layers.TimeDistributed(dense)(grid),
        layers.TimeDistributed(flat)(cube),
    ]
    model = keras.Model(inputs, outputs)
    shake(model)
    wanted = model.predict(x(), verbose=0)
    ours = convert_here(model, x(), quantization).run(x())
    for one, other in zip(ours, wanted, strict=True):
        share = np.sqrt(np.mean((one - other) ** 2) / np.mean(other**2))
        assert share <= (1e-5 if quantization == "float32" else 0.03)


def test_what_unrolling_is_said_to_take(convert_here):
    """Of two layers the figures add up, for it is a price per operator."""
    pytest.importorskip("tflite_micro")
    keras.utils.set_random_seed(5)
    inputs = keras.Input((16, FEATURES))
    y = layers.GRU(16)(layers.GRU(16, return_sequences=True)(inputs))
    model = keras.Model(inputs, y)
    shake(model)
    notes = [found.note for found in recurrences(model)]
    kilobytes = [[int(n) for n in re.findall(r"(\d+) kB", note)] for note in notes]
    samples = np.random.default_rng(0).normal(size=(32, 16, FEATURES)).astype("f4")
    artifact = convert_here(model, samples, "int8")
    arena, size = np.sum(kilobytes, axis=0) * 1000
    assert abs(arena / artifact.arena_bytes() - 1) <= 0.15
    assert abs(size / len(artifact.content) - 1) <= 0.15
