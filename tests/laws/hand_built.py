"""Models built by hand from masked layers that own their gates.

Here masks sit where the user put them, so closed units can leave constants
behind, meet open ones in an Add, or be fractional. Each entry says what the
strip must leave of each layer, and why the rest stays.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers

import keras_diffmask as kd
from keras_diffmask import layers as masked
from tests.laws.zoo import IMAGE, SEQUENCE, VECTOR, Entry, head

BORDER = "a constant other than 0 meets zero padding"
TIED = "adds a channel that is open"
OPEN = "it is open where"
LAST = "a layer keeps its last unit"


@dataclass(frozen=True)
class HandBuilt:
    """One model, its gates as built, and what is left of it.

    Attributes:
        entry: the model and its inputs.
        left: name of a layer -> units or filters after the strip; 0 for gone.
        reasons: name of a layer -> how many closed units stay, and part of why.
        rescales: whether a Rescaling is left, for what no weight can hold.
    """

    entry: Entry
    left: dict[str, int]
    reasons: dict[str, tuple[int, str]] = field(default_factory=dict)
    rescales: bool = False

    def __str__(self) -> str:
        return self.entry.name


HAND_BUILT: dict[str, HandBuilt] = {}


def hand_built(
    shape: tuple[int, ...],
    left: dict[str, int],
    reasons: dict[str, tuple[int, str]] | None = None,
    rescales: bool = False,
) -> Any:
    def add(build: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
        entry = Entry(build.__name__, build, (shape,))
        HAND_BUILT[entry.name] = HandBuilt(entry, left, reasons or {}, rescales)
        return build

    return add


def close(model: keras.Model, *names_and_closed: tuple[str, int]) -> keras.Model:
    """Close the first so many units of these gates; open every other gate."""
    closed = dict(names_and_closed)
    for gate in kd.gates(model):
        flat = np.arange(gate.units) >= closed.pop(gate.name, 0)
        gate.set_keep(flat.reshape(gate.mask_shape))
    assert not closed, f"no such gates: {closed}"
    return model


def last(x: Any) -> Any:
    return layers.Dense(3, name="head")(x)


def _conv_norm(padding: str) -> keras.Model:
    """The mask is in front of the normalization, whose beta is left behind."""
    inputs = keras.Input(IMAGE)
    x = masked.MaskedConv2D(8, 3, use_bias=False, name="masked")(inputs)
    x = layers.Activation("tanh")(layers.BatchNormalization()(x))
    x = layers.Conv2D(6, 3, padding=padding, use_bias=False, name="reader")(x)
    model = keras.Model(inputs, head(layers.Activation("tanh")(x)))
    return close(model, ("masked_gate", 3))


@hand_built(IMAGE, {"masked": 5, "reader": 6})
def constant_folds_without_padding() -> keras.Model:
    return _conv_norm("valid")


@hand_built(IMAGE, {"masked": 8, "reader": 6}, {"masked": (3, BORDER)})
def constant_stays_at_padding() -> keras.Model:
    return _conv_norm("same")


@hand_built(IMAGE, {"one": 7, "two": 7}, {"one": (5, TIED)})
def tied_by_add() -> keras.Model:
    """Closed on both sides: 1 goes. Closed on one side only: 4 + 1 stay."""
    inputs = keras.Input(IMAGE)
    one = masked.MaskedConv2D(8, 3, padding="same", name="one")(inputs)
    two = masked.MaskedConv2D(8, 3, padding="same", name="two")(inputs)
    x = layers.ReLU()(layers.Add(name="add")([one, two]))
    model = close(keras.Model(inputs, head(x)), ("one_gate", 5), ("two_gate", 0))
    places = np.array([0, 7])
    kd.gates(model)[1].set_keep(~np.isin(np.arange(8), places))
    return model


@hand_built(VECTOR, {"masked": 5})
def dense_with_sigmoid() -> keras.Model:
    """The mask multiplies the output: 0, where the weights would give 1/2."""
    inputs = keras.Input(VECTOR)
    x = masked.MaskedDense(8, activation="sigmoid", name="masked")(inputs)
    x = layers.Dense(6, activation="tanh", use_bias=False)(x)
    return close(keras.Model(inputs, last(x)), ("masked_gate", 3))


@hand_built(VECTOR, {"shared": 5})
def shared_dense_with_sigmoid() -> keras.Model:
    inputs = keras.Input(VECTOR)
    shared = masked.MaskedDense(8, activation="sigmoid", name="shared")
    x = shared(layers.Dense(8, name="between")(shared(layers.Dense(8)(inputs))))
    model = keras.Model(inputs, last(x))
    return close(model, ("shared_gate", 3))


@hand_built(VECTOR, {"masked": 7, "next": 7})
def single_weights() -> keras.Model:
    """A unit goes once every weight that leaves it, or reaches it, is closed."""
    inputs = keras.Input(VECTOR)
    x = masked.MaskedDense(8, "tanh", granularity="weight", name="masked")(inputs)
    x = masked.MaskedDense(7, "tanh", granularity="weight", name="next")(x)
    model = keras.Model(inputs, last(x))
    rng = np.random.default_rng(4)
    for gate in kd.gates(model):
        keep = rng.uniform(size=gate.mask_shape) > 0.4
        keep[0], keep[:, -1] = True, True
        if gate.name == "next_gate":
            keep[2] = False
        gate.set_keep(keep)
    return model


@hand_built(SEQUENCE, {"masked": 6, "next": 8})
def lstm_with_gathered_input() -> keras.Model:
    """The model's inputs stay: the layer picks those that its gate kept."""
    inputs = keras.Input(SEQUENCE)
    x = masked.MaskedLSTM(
        8, return_sequences=True, input_estimator="hard_concrete", name="masked"
    )(inputs)
    model = keras.Model(inputs, last(layers.LSTM(8, name="next")(x)))
    return close(model, ("masked_input_gate", 2), ("masked_hidden_gate", 2))


@hand_built(SEQUENCE, {"first": 6, "second": 5})
def stacked_masked_lstm() -> keras.Model:
    """The second does not read all units of the first, which still reads them."""
    inputs = keras.Input(SEQUENCE)
    x = masked.MaskedLSTM(8, return_sequences=True, name="first")(inputs)
    x = masked.MaskedLSTM(8, input_estimator="hard_concrete", name="second")(x)
    model = keras.Model(inputs, last(x))
    close(model, ("first_hidden_gate", 2), ("second_hidden_gate", 3))
    # 0 and 1 are closed at their source already; 2 and 3 only here.
    gates = {gate.name: gate for gate in kd.gates(model)}
    gates["second_input_gate"].set_keep(np.arange(8) > 3)
    return model


@hand_built(SEQUENCE, {"rnn": 5, "last": 6})
def rnn_of_masked_cells() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    cell = masked.MaskedLSTMCell(8, input_estimator="hard_concrete", name="cell")
    x = layers.RNN(cell, return_sequences=True, name="rnn")(inputs)
    x = layers.RNN(masked.MaskedLSTMCell(6, name="other"), name="last")(x)
    model = keras.Model(inputs, last(x))
    return close(model, ("cell_hidden_gate", 3), ("cell_input_gate", 1))


@hand_built(IMAGE, {"conv": 8, "dense": 8}, rescales=True)
def fractional() -> keras.Model:
    """Gates between 0 and 1 are multiplied into what is left."""
    inputs = keras.Input(IMAGE)
    x = masked.MaskedConv2D(8, 3, activation="relu", name="conv")(inputs)
    x = masked.MaskedBatchNormalization(name="norm")(x)
    x = layers.Flatten()(layers.AveragePooling2D(3)(x))
    x = masked.MaskedDense(8, activation="sigmoid", name="dense")(x)
    model = keras.Model(inputs, last(x))
    _set_fractional(model)
    return model


@hand_built(SEQUENCE, {"masked": 8})
def fractional_lstm() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = masked.MaskedLSTM(8, input_estimator="hard_concrete", name="masked")(inputs)
    model = keras.Model(inputs, last(x))
    _set_fractional(model)
    return model


def _set_fractional(model: keras.Model) -> None:
    rng = np.random.default_rng(6)
    for gate in kd.gates(model):
        logits = rng.uniform(-1.5, 1.5, gate.mask_shape)
        gate.raw_logits.assign(logits.astype("float32") / gate.logit_scale)
        mask = np.asarray(keras.ops.convert_to_numpy(gate.inference_mask()))
        assert np.all((mask > 0.05) & (mask < 0.95))


def _branch(reader_bias: bool) -> keras.Model:
    """A branch whose only gate is closed; a skip goes round it."""
    inputs = keras.Input(VECTOR)
    x = layers.Dense(8, activation="tanh", name="stem")(inputs)
    gate = kd.Gate(6, min_keep=0, name="branch_gate")
    mask, _ = gate(inputs)
    y = masked.MaskedDense(6, activation="relu", estimator=None, name="inner")
    y = y(x, gate_mask=mask)
    y = layers.Dense(8, use_bias=reader_bias, name="outer")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.Dense(6, activation="tanh", name="after")(x)
    model = keras.Model(inputs, last(x))
    return close(model, ("branch_gate", 6))


@hand_built(VECTOR, {"inner": 0, "outer": 0, "stem": 8})
def closed_branch() -> keras.Model:
    return _branch(reader_bias=False)


@hand_built(VECTOR, {"inner": 0, "outer": 0, "stem": 8}, rescales=True)
def closed_branch_with_a_constant() -> keras.Model:
    return _branch(reader_bias=True)


@hand_built(IMAGE, {"first": 8}, rescales=True)
def mask_along_another_axis() -> keras.Model:
    """No gamma to carry the mask, and channels that are not the last axis."""
    inputs = keras.Input(IMAGE)
    x = masked.MaskedBatchNormalization(axis=1, scale=False, name="rows")(inputs)
    x = layers.Conv2D(8, 3, activation="tanh", name="first")(x)
    model = keras.Model(inputs, head(x))
    return close(model, ("rows_gate", 3))
