"""Logs of `fit` show cost against target, and where the budget is met."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.budget import BudgetController
from keras_diffmask.errors import InvalidArgumentError
from tests.budget.networks import data, masked

BATCH = 32
NAMES = {"macs", "macs_target", "parameters", "parameters_target", "budget_met"}


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(3)


class _Count(keras.callbacks.Callback):
    """What a strip at the end of each epoch would leave."""

    def __init__(self) -> None:
        super().__init__()
        self.macs: list[float] = []
        self.is_met: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        assert set(logs) >= NAMES, "every callback finds them"
        plan = export.plan(self.model)
        self.macs.append(plan.macs[1] / plan.macs[0])
        shares = self.macs[-1], plan.parameters[1] / plan.parameters[0]
        self.is_met.append(float(shares[0] <= 0.4 and shares[1] <= 0.5))


@pytest.fixture(scope="module")
def fitted() -> tuple[dict[str, list[float]], _Count, kd.MaskedModel]:
    keras.utils.set_random_seed(3)
    model, count = masked(kd.Budget(macs=0.4, parameters=0.5)), _Count()
    history = model.fit(
        *data(), batch_size=BATCH, epochs=6, verbose=0, callbacks=[count],
        validation_data=data(),
    )  # fmt: skip
    return history.history, count, model


def test_history_holds_cost_target_and_budget_met(fitted: Any) -> None:
    history, count, _ = fitted
    assert set(history) == NAMES | {"loss", "val_loss"}
    # Searched for three epochs; the target falls for 0.7 of that.
    assert history["macs_target"] == pytest.approx(
        [1 - 0.6 / 2.1, 1 - 0.6 / 2.1 * 2, 0.4, 0.4, 0.4, 0.4]
    )
    assert history["parameters_target"][-1] == pytest.approx(0.5)
    assert history["macs"][3:] == pytest.approx(count.macs[3:], abs=1e-12)
    assert all(0.4 < share < 1.0 for share in history["macs"][:3]), "what is expected"
    assert history["budget_met"] == count.is_met
    assert history["budget_met"][3:] == [1.0] * 3


def test_target_waits_for_the_warmup() -> None:
    model = masked(kd.Budget(macs=0.4, warmup=0.3))
    history = model.fit(*data(), batch_size=BATCH, epochs=6, verbose=0).history
    # It falls from 0.63 to 2.1 of the three epochs of the search.
    falls = 0.6 / (2.1 - 0.63)
    assert history["macs_target"][:3] == pytest.approx(
        [1 - 0.37 * falls, 1 - 1.37 * falls, 0.4]
    )
    again = keras.models.clone_model(model)
    controllers = [
        next(x for x in m.layers if isinstance(x, BudgetController))
        for m in (model, again)
    ]
    assert controllers[1].warmup == controllers[0].warmup == 0.3


def test_evaluate_returns_what_it_returned(fitted: Any) -> None:
    _, _, model = fitted
    assert np.ndim(model.evaluate(*data(), verbose=0)) == 0


def test_progress_bar_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    masked(kd.Budget(macs=0.4)).fit(*data(), batch_size=BATCH, epochs=2, verbose=2)
    first, second = (x for x in capsys.readouterr().out.splitlines() if "loss" in x)
    assert " - macs_target: 0.4000 " in second and " - budget_met: 1.0000" in second
    assert " - budget_met: 0.0000" in first


def test_own_callback_list_is_used_and_left_as_it_was() -> None:
    model = masked(kd.Budget(macs=0.4))
    history = keras.callbacks.History()
    given = keras.callbacks.CallbackList([history], model=model)
    model.fit(*data(), batch_size=BATCH, epochs=4, verbose=0, callbacks=given)
    assert history.history["budget_met"][2:] == [1.0, 1.0]
    assert given.callbacks == [history]


def test_checkpoint_of_an_unpruned_epoch_is_no_best(tmp_path: Path) -> None:
    """The loss rises from the first epoch on: plain, the first would be the best."""
    model, path = masked(kd.Budget(macs=0.4)), tmp_path / "best.keras"
    saved: list[int] = []

    class Best(keras.callbacks.ModelCheckpoint):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(epoch, {**logs, "score": float(epoch)})
            saved.append(epoch)

    best = Best(str(path), monitor="score", mode="min", save_best_only=True)
    model.fit(
        *data(), batch_size=BATCH, epochs=5, verbose=0,
        callbacks=[kd.callbacks.WhenBudgetMet(best)],
    )  # fmt: skip
    assert saved == [2, 3, 4] and best.best == 2.0
    plan = export.plan(keras.saving.load_model(path))
    assert plan.macs[1] <= 0.4 * plan.macs[0]


def test_early_stopping_waits_for_the_budget() -> None:
    model = masked(kd.Budget(macs=0.4))
    stop = keras.callbacks.EarlyStopping("macs_target", mode="max", patience=1)
    history = model.fit(
        *data(), batch_size=BATCH, epochs=8, verbose=0,
        callbacks=[kd.callbacks.WhenBudgetMet(stop)],
    )  # fmt: skip
    assert history.epoch == [0, 1, 2, 3, 4, 5], "one epoch after the first that counts"


def test_batches_of_an_unpruned_epoch_are_not_handed_on() -> None:
    seen: list[tuple[str, int]] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append(("epoch", epoch))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(("batch", batch))

    model = masked(kd.Budget(macs=0.4))
    wrapped = kd.callbacks.WhenBudgetMet(Watch())
    model.fit(*data(), batch_size=32, epochs=3, verbose=0, callbacks=[wrapped])
    batches = [("batch", 0), ("batch", 1)]
    assert seen == [("epoch", 0), ("epoch", 1), ("epoch", 2), *batches]


def test_what_waits_for_no_budget_is_refused() -> None:
    wrapped = kd.callbacks.WhenBudgetMet(keras.callbacks.EarlyStopping())
    with pytest.raises(InvalidArgumentError, match=r"a model with a budget; received"):
        masked(None).fit(*data(), verbose=0, callbacks=[wrapped])
    with pytest.raises(InvalidArgumentError, match=r"a keras.callbacks.Callback; rec"):
        kd.callbacks.WhenBudgetMet("best.keras")
