"""Operators keep their names through a strip, as layers do, and stay told apart."""

import keras
import numpy as np

import keras_diffmask as kd
from keras_diffmask import export


def _close_every_third(masked: keras.Model) -> None:
    for gate in kd.gates(masked):
        gate.set_keep(np.arange(gate.units) % 3 > 0)


def test_slices_keep_their_names_beside_new_ones() -> None:
    inputs = keras.Input((6, 4))
    x = keras.layers.Conv1D(9, 1, activation="relu")(inputs)
    one, two = x[..., 1:7], x[:, 1:, :]
    # Names that the next operators of their class would get by themselves.
    names = ("get_item", "get_item_1")
    for tensor, name in zip((one, two), names, strict=True):
        tensor._keras_history.operation.name = name
    y = keras.layers.Conv1D(5, 1)(one)
    z = keras.layers.Conv1D(5, 2)(two)
    outputs = keras.layers.Dense(2)(keras.layers.Concatenate(axis=1)([y, z]))
    masked = kd.mask_model(keras.Model(inputs, outputs))
    _close_every_third(masked)
    keras.backend.clear_session(free_memory=False)
    slim = export.strip(masked)
    found = [operation.name for operation in slim.operations]
    assert len(set(found)) == len(found)
    assert set(names) <= set(found)
    x = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
    before, after = (keras.ops.convert_to_numpy(m(x)) for m in (masked, slim))
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_directions_that_part_are_named_after_their_layer() -> None:
    inputs = keras.Input((5, 3))
    both = keras.layers.Bidirectional(
        keras.layers.LSTM(4, return_sequences=True), name="both"
    )
    masked = kd.mask_model(keras.Model(inputs, keras.layers.Dense(2)(both(inputs))))
    first, second = kd.gates(masked)
    first.set_keep(np.array([True, True, False, False]))
    second.set_keep(np.array([True, True, True, False]))
    slim = export.strip(masked)
    names = {operation.name for operation in slim.operations}
    assert {"forward_both", "backward_both", "flip_both", "concat_both"} <= names
    again = keras.Model.from_config(slim.get_config())
    assert {operation.name for operation in again.operations} == names
