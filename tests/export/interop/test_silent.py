"""Which channels of a plain model are closed: those that nobody can hear."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.export.interop.silent import close_silent

layers = keras.layers


def _shaken(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(4)
    for weight in model.weights:
        noise = rng.normal(0.0, 0.4, weight.shape)
        noise = np.abs(noise) if "variance" in weight.path else noise
        weight.assign(keras.ops.convert_to_numpy(weight) + noise)
    return model


def _set(model: keras.Model, name: str, weight: str, place: Any, value: Any) -> None:
    variable = getattr(model.get_layer(name), weight)
    array = np.array(keras.ops.convert_to_numpy(variable))
    array[place] = value
    variable.assign(array)


def _dense() -> keras.Model:
    inputs = keras.Input((5,))
    x = layers.Dense(6, activation="relu", name="a")(inputs)
    x = layers.Dense(4, activation="sigmoid", name="b")(x)
    return _shaken(keras.Model(inputs, layers.Dense(2, name="c")(x)))


def zero_unit(model: keras.Model) -> None:
    _set(model, "a", "kernel", np.s_[:, [1, 4]], 0.0)
    _set(model, "a", "bias", [1, 4], [0.0, -0.5])  # a ReLU makes 0 of both


def constant_unit(model: keras.Model) -> None:
    _set(model, "a", "kernel", np.s_[:, 1], 0.0)
    _set(model, "a", "bias", 1, 0.5)


def sigmoid_of_zero(model: keras.Model) -> None:
    _set(model, "b", "kernel", np.s_[:, 1], 0.0)
    _set(model, "b", "bias", 1, 0.0)  # sigmoid(0) is 0.5


def unread_unit(model: keras.Model) -> None:
    _set(model, "c", "kernel", 3, 0.0)


def read_by_the_unread_alone(model: keras.Model) -> None:
    unread_unit(model)
    _set(model, "b", "kernel", np.s_[2, :3], 0.0)


def all_zero(model: keras.Model) -> None:
    _set(model, "a", "kernel", ..., 0.0)
    _set(model, "a", "bias", ..., 0.0)


def _residual() -> keras.Model:
    inputs = keras.Input((6, 6, 4))
    x = layers.Conv2D(5, 1, name="stem")(inputs)
    y = layers.Conv2D(7, 3, padding="same", activation="relu", name="inside")(x)
    y = layers.Conv2D(5, 1, name="end")(y)
    x = layers.Add()([x, y])
    return _shaken(keras.Model(inputs, layers.Conv2D(2, 1, name="head")(x)))


def dead_branch(model: keras.Model) -> None:
    _set(model, "end", "kernel", ..., 0.0)
    _set(model, "end", "bias", ..., 0.0)


def branch_of_a_constant(model: keras.Model) -> None:
    _set(model, "end", "kernel", ..., 0.0)


def half_of_a_sum(model: keras.Model) -> None:
    _set(model, "stem", "kernel", np.s_[..., 0], 0.0)
    _set(model, "stem", "bias", 0, 0.0)


def _normalized() -> keras.Model:
    inputs = keras.Input((5, 3))
    x = layers.Conv1D(6, 2, use_bias=False, name="conv")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    return _shaken(keras.Model(inputs, layers.Conv1D(2, 1, name="head")(x)))


def norm_that_a_relu_stops(model: keras.Model) -> None:
    _set(model, "conv", "kernel", np.s_[..., :2], 0.0)
    for name, value in (("moving_mean", 0.0), ("beta", [-1.0, 1.0])):
        _set(model, "norm", name, np.s_[:2], value)


def _recurrent() -> keras.Model:
    inputs = keras.Input((5, 3))
    x = layers.LSTM(6, return_sequences=True, name="lstm")(inputs)
    x = layers.LayerNormalization(name="norm")(x)
    return _shaken(keras.Model(inputs, layers.Dense(2, name="head")(x)))


def silent_state_under_statistics(model: keras.Model) -> None:
    """Always 0, but the normalization makes of that what its mean says."""
    cell = model.get_layer("lstm").cell
    for variable in (cell.kernel, cell.recurrent_kernel, cell.bias):
        array = np.array(keras.ops.convert_to_numpy(variable))
        array[..., 1::6] = 0.0
        variable.assign(array)


def silent_state_that_nobody_reads(model: keras.Model) -> None:
    silent_state_under_statistics(model)
    _set(model, "head", "kernel", 1, 0.0)


CASES: list[tuple[Callable[[], keras.Model], Callable[[keras.Model], None], Any]] = [
    (_dense, lambda model: None, {}),
    (_dense, zero_unit, {"a": [1, 4]}),
    (_dense, constant_unit, {}),
    (_dense, sigmoid_of_zero, {}),
    (_dense, unread_unit, {"b": [3]}),
    (_dense, read_by_the_unread_alone, {"a": [2], "b": [3]}),
    (_dense, all_zero, {"a": [1, 2, 3, 4, 5]}),  # a layer keeps its last
    (_residual, dead_branch, {"inside": [0, 1, 2, 3, 4, 5, 6]}),
    (_residual, half_of_a_sum, {}),
    (_normalized, norm_that_a_relu_stops, {"conv": [0]}),
    (_recurrent, silent_state_under_statistics, {}),
    (_recurrent, silent_state_that_nobody_reads, {"lstm": [1]}),
]


@pytest.mark.parametrize(("build", "change", "expected"), CASES)
def test_silent_channels_are_closed_and_no_other(
    build: Callable[[], keras.Model],
    change: Callable[[keras.Model], None],
    expected: dict[str, list[int]],
) -> None:
    keras.utils.set_random_seed(0)
    model = build()
    change(model)
    masked = kd.mask_model(model)
    closed, units = close_silent(model, masked)
    found = {
        gate.name.removesuffix("_gate"): np.flatnonzero(~gate.keep).tolist()
        for gate in kd.gates(masked)
        if not gate.keep.all()
    }
    assert found == expected
    assert closed == sum(map(len, expected.values()))
    assert units == sum(gate.units for gate in kd.gates(masked))
    _assert_equal(model, masked)
    _assert_equal(model, export.strip(masked))


def test_a_branch_of_a_constant_keeps_its_function() -> None:
    """What is inside may be closed; the constant that it ends in stays."""
    model = _residual()
    branch_of_a_constant(model)
    masked = kd.mask_model(model)
    close_silent(model, masked)
    _assert_equal(model, masked)
    _assert_equal(model, export.strip(masked))


def _assert_equal(one: keras.Model, other: keras.Model) -> None:
    shape = one.input_shape[1:]
    x = np.random.default_rng(5).normal(size=(4, *shape)).astype("float32")
    a, b = (keras.ops.convert_to_numpy(m(x, training=False)) for m in (one, other))
    np.testing.assert_allclose(b, a, atol=1e-5 * max(1.0, np.abs(a).max()))
