"""Parts that a concatenation reads may lose all of their channels, and go."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from tests.laws import alive

layers, ops = keras.layers, keras.ops
PARTS = (slice(0, 3), slice(3, 5), slice(5, 8))


def _joined_by_layer(parts: list[Any]) -> Any:
    return layers.Concatenate(name="join")(parts)


def _joined_by_name(parts: list[Any]) -> Any:
    return layers.Concatenate(name="join")(inputs=parts)


def _joined_by_operator(parts: list[Any]) -> Any:
    return ops.concatenate(parts, axis=-1)


def _joined_twice(parts: list[Any]) -> Any:
    first = layers.Concatenate(name="first")(parts[:2])
    return layers.Concatenate(name="join")([layers.ReLU()(first), parts[2]])


def _model(join: Callable[[list[Any]], Any]) -> keras.Model:
    inputs = keras.Input((6, 5, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="one")(inputs)
    parts = [x[..., part] for part in PARTS]
    parts = [ops.tanh(parts[0]), layers.MaxPooling2D(1)(parts[1]), ops.relu(parts[2])]
    x = layers.Conv2D(7, 2, activation="relu", name="two")(join(parts))
    outputs = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize(
    "join", [_joined_by_layer, _joined_by_name, _joined_by_operator, _joined_twice]
)
@pytest.mark.parametrize("kept", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)], ids=str)
def test_parts_without_channels_go(join: Any, kept: tuple[int, ...]) -> None:
    keras.utils.set_random_seed(0)
    masked = kd.mask_model(_model(join))
    keep = np.zeros(8, bool)
    for part in kept:
        keep[PARTS[part]] = True
    kd.gates(masked)[0].set_keep(keep)
    slim, plan = export.strip(masked), export.plan(masked)
    assert slim.get_layer("one").filters == keep.sum()
    assert all(0 not in layer.output.shape[1:] for layer in slim.layers)
    slices = [op for op in slim.operations if "GetItem" in type(op).__name__]
    # One part alone is all that there is, and needs no slice.
    assert len(slices) == (len(kept) if len(kept) > 1 else 0)
    assert plan.parameters[1] == slim.count_params()
    x = np.random.default_rng(0).normal(size=(4, 6, 5, 3)).astype("float32")
    ours, theirs = alive.run(masked, x), alive.run(slim, x)
    assert np.std(ours[0]) > 0 and alive.distance(ours, theirs) <= 1e-5
