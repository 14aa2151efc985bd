"""Operators of `keras.ops` that no zoo model has: each is cut, and stays exact."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_diffmask as kd
from keras_diffmask import export
from tests.laws import alive

SHAPE = (6, 6, 3)


def _split(x: Any) -> Any:
    a, b, c = ops.split(x, 3, axis=-1)
    return ops.concatenate([c, a * 2.0, ops.tanh(b)], axis=-1)


def _split_positions(x: Any) -> Any:
    top, bottom = ops.split(x, 2, axis=1)
    return ops.maximum(top, bottom)


def _attention_of_one_channel(x: Any) -> Any:
    return x * layers.Conv2D(1, 1, activation="sigmoid")(x)


#: Name -> what stands between two convolutions of nine channels, and how many
#: of the first one's units the graph leaves to choose from.
BETWEEN: dict[str, tuple[Callable[[Any], Any], int]] = {
    "split": (_split, 9),
    "split_positions": (_split_positions, 9),
    "every_other_channel": (lambda x: x[..., ::2], 9),
    "backwards": (lambda x: x[..., ::-1], 9),
    "one_channel": (lambda x: x[..., 4:5] + x, 8),
    "one_row": (lambda x: ops.expand_dims(x[:, 2], 1), 9),
    "squeezed": (lambda x: ops.expand_dims(ops.squeeze(x[:, :1], 1), 2), 9),
    "transposed_twice": (
        lambda x: ops.transpose(ops.transpose(x, (0, 3, 1, 2)), (0, 2, 3, 1)),
        9,
    ),
    "reshaped": (lambda x: ops.reshape(x, (-1, 3, 12, 9)), 9),
    "threes": (lambda x: ops.reshape(ops.reshape(x, (-1, 36, 3, 3)), (-1, 6, 6, 9)), 3),
    "summed": (lambda x: ops.sum(x, axis=1, keepdims=True), 9),
    "largest": (lambda x: ops.max(x, axis=(1, 2), keepdims=True), 9),
    "smallest": (lambda x: ops.min(-x, axis=2, keepdims=True), 9),
    "not_zero_at_zero": (lambda x: ops.exp(-ops.square(x)) - 0.25, 9),
    "divided": (lambda x: (x + 1.0) / 3.0, 9),
    "one_channel_for_all": (_attention_of_one_channel, 9),
    "clipped": (lambda x: ops.clip(x, 0.1, 2.0), 9),
    "flipped": (lambda x: ops.flip(x, axis=1), 9),
    "flipped_channels": (lambda x: ops.flip(x, axis=(1, -1)), 9),
    "flipped_whole": (lambda x: ops.flip(x), 9),
    # What has no rule is a barrier, and nothing more.
    "rolled": (lambda x: ops.roll(x, 2, axis=1), 0),
    "not_finite_at_zero": (lambda x: 1.0 / (ops.absolute(x) + 1.0), 0),
    "divided_by_each_other": (lambda x: x / (x + 4.0), 0),
    "times_an_array": (lambda x: x * np.linspace(0.5, 1, 9, dtype="float32"), 0),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_operator_is_cut(name: str) -> None:
    if name == "backwards" and keras.backend.backend() == "torch":
        pytest.skip("torch has no slices of negative steps: the model itself fails")
    between, units = BETWEEN[name]
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(9, 3, padding="same", activation="relu", name="one")(inputs)
    x = layers.Conv2D(8, 1, activation="relu", name="two")(between(x))
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    x = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype("float32")
    model = alive.enliven(model, x)
    masked = kd.mask_model(model)
    assert np.array_equal(alive.run(model, x)[0], alive.run(masked, x)[0])

    names = ["one_gate", "one_1_gate", "one_2_gate"]
    gates = [gate for gate in kd.gates(masked) if gate.name in names]
    assert sum(gate.units for gate in gates) == units
    for closed in (0.3, 0.7):
        alive.decide(masked, closed)
        slim, plan = export.strip(masked), export.plan(masked)
        assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5
        rows = {row.name: row for row in plan.rows}
        for gate in gates:
            row = rows[gate.name.removesuffix("_gate")]
            stays = sum(row.stays.values())
            assert row.kept <= int(gate.keep.sum()) + stays
            # Of one part of a split, the last channel may stay.
            assert stays == 0 or (name == "split" and stays == 1)
        assert plan.parameters[1] == slim.count_params()
