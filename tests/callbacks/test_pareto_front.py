"""One run yields the best network for each of several budgets."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.callbacks import ParetoFront
from keras_diffmask.callbacks.scores import is_higher_better
from keras_diffmask.errors import ArtifactError, BudgetError, InvalidArgumentError
from tests.budget.networks import data, masked

SHARES = (0.8, 0.3, 0.5)
EPOCHS, BATCH = 3, 32


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(3)


def _front(folder: Path, shares: Any = SHARES, **more: Any) -> ParetoFront:
    budgets = [kd.Budget(macs=share) for share in shares]
    more = {"monitor": "val_loss", **more}
    return ParetoFront(folder, budgets, validation_data=data(), **more)


def _model() -> kd.MaskedModel:
    return masked(kd.Budget(macs=0.3, parameters=1.0))


def _fit(model: kd.MaskedModel, *callbacks: Any, **more: Any) -> Any:
    return model.fit(
        *data(), batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0,
        callbacks=list(callbacks), **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    keras.utils.set_random_seed(3)
    front = _front(tmp_path_factory.mktemp("run") / "front")
    model = _model()
    return front, model, _fit(model, front).history


def test_each_row_is_a_model_that_meets_its_budget(run: Any) -> None:
    front, _, _ = run
    rows = front.front()
    assert [row.budget for row in rows] == ["macs=0.3", "macs=0.5", "macs=0.8"]
    for row, share in zip(rows, sorted(SHARES), strict=True):
        model = keras.saving.load_model(row.path)
        plan = export.plan(model)
        assert plan.macs[1] <= share * plan.macs[0]
        assert row.costs == {
            "macs": pytest.approx(plan.macs[1] / plan.macs[0]),
            "parameters": pytest.approx(plan.parameters[1] / plan.parameters[0]),
        }
        score = model.evaluate(*data(), verbose=0)
        assert score == pytest.approx(row.score, rel=1e-5)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        slim = export.strip(model)
        slim.compile(loss=loss)
        assert slim.evaluate(*data(), verbose=0) == pytest.approx(score, rel=1e-4)
    losses = [row.score for row in rows]
    assert losses == sorted(losses, reverse=True), "more cost is never worse"


def test_training_goes_on_as_if_nothing_had_been(run: Any) -> None:
    _, model, history = run
    keras.utils.set_random_seed(3)
    alone = _model()
    expected = _fit(alone).history
    for name in expected:
        assert history[name] == pytest.approx(expected[name], rel=1e-5), name
    for one, other in zip(kd.gates(alone), kd.gates(model), strict=True):
        assert np.array_equal(one.keep, other.keep)


def test_resumed_run_keeps_what_it_had(run: Any, tmp_path: Path) -> None:
    whole, _, _ = run

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    def backup() -> Any:
        return keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))

    with pytest.raises(KeyboardInterrupt):
        _fit(_model(), backup(), _front(tmp_path / "front"), Stop())
    resumed = _front(tmp_path / "front")
    keras.utils.set_random_seed(3)
    history = _fit(_model(), backup(), resumed)
    assert history.epoch == [2]
    for one, other in zip(whole.front(), resumed.front(), strict=True):
        assert (one.budget, one.epoch) == (other.budget, other.epoch)
        assert one.score == pytest.approx(other.score, rel=1e-5)
        assert other.path.parent == tmp_path / "front" and other.path.exists()


def test_rows_of_other_budgets_stay_in_the_list(tmp_path: Path) -> None:
    _fits(_front(tmp_path, shares=[0.8]))
    second = _front(tmp_path, shares=[0.3])
    _fits(second)
    assert [row.budget for row in second.front()] == ["macs=0.3"]
    listed = json.loads((tmp_path / "front.json").read_text())["rows"]
    assert {row["budget"] for row in listed} == {"macs=0.8", "macs=0.3"}
    third = _front(tmp_path, shares=[0.3, 0.8], start_from_epoch=9)
    _fits(third)
    assert [row.budget for row in third.front()] == ["macs=0.3", "macs=0.8"]


def test_picture_of_the_front(run: Any, tmp_path: Path) -> None:
    front, _, _ = run
    path = front.plot(tmp_path / "front.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InvalidArgumentError, match="cost as one of macs, parameters"):
        front.plot(path, cost="latency")


def test_only_later_epochs_count(tmp_path: Path) -> None:
    front = _front(tmp_path, shares=[0.5], start_from_epoch=2)
    _fit(_model(), front)
    (row,) = front.front()
    assert row.epoch == 2
    listed = json.loads((tmp_path / "front.json").read_text())["rows"]
    assert [entry["path"] for entry in listed] == ["macs_0.5.keras"]


def _fits(front: ParetoFront, model: kd.MaskedModel | None = None) -> None:
    (model or _model()).fit(*data(), verbose=0, callbacks=[front])


def test_impossible_budget_is_said_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="macs of at least"):
        _fits(_front(tmp_path, shares=[0.5, 0.001]))
    with pytest.raises(InvalidArgumentError, match="a model with a budget"):
        _fits(_front(tmp_path), masked(None))


def test_folder_that_cannot_be(run: Any, tmp_path: Path) -> None:
    front, _, _ = run
    with pytest.raises(InvalidArgumentError, match="with that of another"):
        _fits(_front(front.folder), masked(kd.Budget(macs=0.4)))
    with pytest.raises(ArtifactError, match="can be made or written"):
        _fits(_front(tmp_path / "no" / "where"))
    (tmp_path / "front.json").write_text("{")
    with pytest.raises(ArtifactError, match="Delete it, or choose another folder"):
        _fits(_front(tmp_path))


def test_metric_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"monitor as one of loss; .*'accu"):
        _fits(_front(tmp_path, monitor="accuracy"))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"shares": []}, "at least one budget"),
        ({"mode": "most"}, "mode='max', 'min' or 'auto'; received mode='most'"),
        ({"monitor": "val_sharpness"}, "whose name does not tell; .*'sharpness'"),
    ],
    ids=str,
)
def test_arguments_that_cannot_be(more: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        _front(tmp_path, **more)


def test_budgets_that_are_none(tmp_path: Path) -> None:
    for budgets in (kd.Budget(macs=0.5), [0.5]):
        with pytest.raises(InvalidArgumentError, match=r"a list of kd\.Budget"):
            ParetoFront(tmp_path, budgets, validation_data=data())


def test_which_way_is_better() -> None:
    higher = ("accuracy", "sparse_categorical_accuracy", "auc", "mean_io_u_iou")
    lower = ("loss", "mean_squared_error", "perplexity")
    assert all(is_higher_better(name) for name in higher)
    assert not any(is_higher_better(name) for name in lower)
    assert is_higher_better("sharpness", "max")
