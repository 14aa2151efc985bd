"""A training that was stopped ends where one that was not stopped ends."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.evidence import fitting

EPOCHS, EXAMPLES = 4, 22


def _data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    x = generator.standard_normal((EXAMPLES, 5, 3)).astype("float32")
    return x, generator.integers(0, 2, EXAMPLES)


def _model() -> keras.Model:
    keras.utils.set_random_seed(5)
    inputs = keras.Input((5, 3))
    x = keras.layers.Dropout(0.2)(keras.layers.LSTM(6)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    masked = kd.mask_model(model, budget=kd.Budget(macs=0.5, search=0.6))
    masked.compile(
        keras.optimizers.AdamW(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    return masked


class _Stop(keras.callbacks.Callback):
    """The plug is pulled in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == (self.at, 1):
            raise KeyboardInterrupt


def _fitted(
    folder: Path, *callbacks: Any, part: range | None = None
) -> tuple[keras.Model, list[float]]:
    model = _model()
    batches = fitting.Batches(fitting.shuffled(EXAMPLES, 8, seed=1), *_data())
    given = EPOCHS, folder, lambda _: None, callbacks, part
    return model, fitting.fit(model, batches, *given)


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole, _ = _fitted(tmp_path / "whole")
    # While the gates are searched for, and again when they have been decided.
    for epoch in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            _fitted(tmp_path / "stopped", _Stop(epoch))
    resumed, seconds = _fitted(tmp_path / "stopped")
    assert len(seconds) == EPOCHS
    for one, other in zip(whole.variables, resumed.variables, strict=True):
        left, right = (keras.ops.convert_to_numpy(v) for v in (one, other))
        np.testing.assert_array_equal(left, right, err_msg=one.path)
    before, after = kd.export.plan(resumed).macs
    assert after <= 0.5 * before


@pytest.mark.parametrize("is_done", [False, True])
def test_two_parts_are_the_whole(tmp_path: Path, is_done: bool) -> None:
    for name in ("whole", "first", "second"):
        (tmp_path / name).mkdir()
    whole, _ = _fitted(tmp_path / "whole")
    if is_done:
        # It was stopped after the last epoch of the part, before it could go on.
        _fitted(tmp_path / "first", part=range(3))
    model, first = _fitted(tmp_path / "first", part=range(3))
    assert all(gate.is_fixed for gate in kd.gates(model))
    batches = fitting.Batches(fitting.shuffled(EXAMPLES, 8, seed=1), *_data())
    given = EPOCHS, tmp_path / "second", lambda _: None
    second = fitting.fit(model, batches, *given, part=range(3, EPOCHS))
    assert (len(first), len(second)) == (3, 1)
    for one, other in zip(whole.variables, model.variables, strict=True):
        left, right = (keras.ops.convert_to_numpy(v) for v in (one, other))
        np.testing.assert_array_equal(left, right, err_msg=one.path)


def test_order_depends_on_seed_and_epoch_alone() -> None:
    order = fitting.shuffled(10, 4, seed=2)
    first, second = order(0), order(1)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(np.concatenate(first)) == list(range(10))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    again = fitting.shuffled(10, 4, seed=2)(1)
    np.testing.assert_array_equal(np.concatenate(second), np.concatenate(again))


def test_classifier_is_compiled_ordered_and_fitted_alike(tmp_path: Path) -> None:
    """What both trials of a classifier call, twice over: the same network."""
    x, y = _data()
    nothing = x[:0], y[:0]
    data = Dataset(x, y, *nothing, *nothing, ("a", "b"), "noise", "", x.shape[1:])
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        model, recipe = _model(), Recipe(EPOCHS, 8, 0.01, weight_decay=0.0)
        seconds = fitting.train_classifier(
            model, data, recipe, 1, tmp_path / name, lambda _: None
        )
        assert len(seconds) == EPOCHS
        assert model.optimizer.iterations == EPOCHS * 3
        made.append(model.get_weights())
    for left, right in zip(*made, strict=True):
        np.testing.assert_array_equal(left, right)
