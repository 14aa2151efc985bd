"""A search that was interrupted comes to the same decision."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask.masking.budgeted import controller_of
from tests.budget.networks import data, masked

EPOCHS, BATCH = 4, 32
#: An epoch of the search, and one of the decided network.
MIDDLES = {"mid-search": 1, "decided": 3}


class _Interrupt(keras.callbacks.Callback):
    """The plug is pulled after the first step of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.at, self.epoch = epoch, -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.epoch == self.at:
            raise KeyboardInterrupt


def _model() -> kd.MaskedModel:
    """Noise in its gates: which of it a step draws is part of the state."""
    keras.utils.set_random_seed(3)
    return masked(kd.Budget(macs=0.4, parameters=0.6), estimator="hard_concrete")


def _fit(model: kd.MaskedModel, *callbacks: Any, **more: Any) -> Any:
    return model.fit(
        *data(), batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0,
        callbacks=list(callbacks), **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> tuple[kd.MaskedModel, dict[str, list[float]]]:
    model = _model()
    return model, _fit(model).history


def _assert_same(resumed: kd.MaskedModel, history: dict, whole: Any) -> None:
    model, expected = whole
    for one, other in zip(kd.gates(model), kd.gates(resumed), strict=True):
        assert np.array_equal(one.keep, other.keep)
        assert not one.keep.all() or one.units == 6
    for one, other in zip(model.variables, resumed.variables, strict=True):
        left, right = (keras.ops.convert_to_numpy(v) for v in (one, other))
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6, err_msg=one.path)
    for name in ("macs", "macs_target", "parameters", "budget_met"):
        tail = expected[name][-len(history[name]) :]
        assert history[name] == pytest.approx(tail, rel=1e-5)
    steps = keras.ops.convert_to_numpy(controller_of(resumed).step)
    assert steps == EPOCHS * len(data()[0]) / BATCH


@pytest.mark.parametrize("middle", MIDDLES)
def test_backup_and_restore(middle: str, whole: Any, tmp_path: Path) -> None:
    backup = str(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        _fit(
            _model(),
            keras.callbacks.BackupAndRestore(backup),
            _Interrupt(MIDDLES[middle]),
        )
    resumed = _model()
    history = _fit(resumed, keras.callbacks.BackupAndRestore(backup))
    assert history.epoch == list(range(MIDDLES[middle], EPOCHS))
    _assert_same(resumed, history.history, whole)


@pytest.mark.parametrize("middle", MIDDLES)
def test_saved_loaded_and_fitted_on(middle: str, whole: Any, tmp_path: Path) -> None:
    model, start = _model(), MIDDLES[middle]

    class Save(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == start - 1:
                self.model.save(tmp_path / "model.keras")
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(model, Save())
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    resumed.run_eagerly = model.run_eagerly
    history = _fit(resumed, initial_epoch=start)
    _assert_same(resumed, history.history, whole)


def test_weights_without_the_noise_load() -> None:
    """The noise then goes on from where it is."""
    gate = kd.Gate(4, name="gate")
    gate.build()
    held: dict[str, Any] = {}
    gate.save_own_variables(held)
    held.pop("noise")
    state = keras.ops.convert_to_numpy(gate.seed_generator.state)
    gate(training=True)
    gate.load_own_variables(held)
    now = keras.ops.convert_to_numpy(gate.seed_generator.state)
    assert not np.array_equal(state, now)
