"""Recurrent layers with an initial state, and those of which only c is read."""

from collections import Counter

import keras
import numpy as np
import pytest

from keras_diffmask.costs import Gating, device_cost
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.emit.admission import check_model
from keras_diffmask.graph import trace
from keras_diffmask.lowering import compiled
from tests.export.emit.conftest import shake

layers, ops = keras.layers, keras.ops
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
STEPS, FEATURES = 5, 3


def x(count=64):
    generator = np.random.default_rng(6)
    return generator.standard_normal((count, STEPS, FEATURES)).astype("float32")


def with_constants():
    """Constants for states, some of them zeros, beside tensors and alone."""
    keras.utils.set_random_seed(11)
    inputs = keras.Input((STEPS, FEATURES))
    twos, zeros = 2 * ops.ones((1, 4)), ops.zeros((1, 4))
    h = layers.Dense(4, "tanh")(inputs[:, 0])
    both = layers.Bidirectional(layers.LSTM(4))
    branches = [
        layers.LSTM(4)(inputs, initial_state=[twos, -twos]),
        layers.GRU(4, go_backwards=True)(inputs, initial_state=twos),
        layers.SimpleRNN(4)(inputs, initial_state=twos),
        layers.GRU(4)(inputs, initial_state=zeros),
        layers.LSTM(4)(inputs, initial_state=[h, zeros]),
        layers.LSTM(4)(inputs, initial_state=[zeros, h]),
        layers.LSTM(4)(inputs, initial_state=[twos, h]),
        both(inputs, initial_state=[twos, zeros, zeros, zeros]),
    ]
    return shaken(keras.Model(inputs, branches))


def shaken(model):
    shake(model)
    return model


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_constants_are_the_state_that_the_file_begins_with(convert_here, quantization):
    model = with_constants()
    wanted = [np.asarray(y) for y in model(x())]
    artifact = convert_here(model, x(), quantization)
    assert LSTM not in artifact.ops
    for place, (ours, theirs) in enumerate(zip(artifact.run(x()), wanted, strict=True)):
        share = np.sqrt(np.mean((ours - theirs) ** 2) / np.mean(theirs**2))
        assert share <= (1e-5 if quantization == "float32" else 0.05), (place, share)


def test_zeros_are_no_state(convert_here):
    inputs = keras.Input((STEPS, FEATURES))
    zeros = ops.zeros((1, 4))
    y = layers.LSTM(4)(inputs, initial_state=[zeros, zeros])
    model = shaken(keras.Model(inputs, y))
    assert LSTM in operators(model)
    assert LSTM in convert_here(model, x(), "float32").ops


def test_a_row_for_each_example_is_refused():
    inputs = keras.Input((STEPS, FEATURES))
    rows = ops.reshape(ops.arange(8, dtype="float32"), (2, 4))
    model = keras.Model(inputs, layers.GRU(4, name="g")(inputs, initial_state=rows))
    sentence = r"all examples have in common.*'g' with one of shape \(2, 4\)"
    with pytest.raises(UnsupportedModelError, match=sentence):
        check_model(model)


@pytest.mark.parametrize("seed", range(2))
def test_an_lstm_of_which_only_c_is_read(convert_here, seed):
    """The last output gate is then no output of a SPLIT, which would stay float."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((STEPS, FEATURES))
    _, _, c = layers.LSTM(4, return_state=True)(inputs)
    _, _, d = layers.RNN(layers.LSTMCell(4), return_state=True)(inputs)
    model = shaken(keras.Model(inputs, layers.Dense(2)(layers.Add()([c, d]))))
    wanted, foretold = np.asarray(model(x())), operators(model)
    artifact = convert_here(model, x(), "int8")
    error = np.sqrt(np.mean((artifact.run(x()) - wanted) ** 2) / np.mean(wanted**2))
    assert error <= 0.05
    assert Counter(artifact.ops) == Counter(foretold)


def operators(model):
    """What the library foretells."""
    cost = device_cost("ram", Gating.without_gates(trace(model)))
    return [op.kind for op in compiled(cost.program).ops]
