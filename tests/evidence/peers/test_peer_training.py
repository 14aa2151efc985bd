"""What goes to a peer's process and what comes back, with and without peers."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import ConversionError, MissingDependencyError
from keras_diffmask.export.cli import main
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.evidence.families import FAMILIES, RESNET8
from keras_diffmask.export.evidence.fitting import shuffled
from keras_diffmask.export.evidence.peers import interpreter, job, training
from keras_diffmask.export.evidence.peers.peer import BN_SCALE, PEERS, TFMOT
from keras_diffmask.export.evidence.side_by_side import run as peers_run
from tests.evidence.peers.examples import SHAPES, data, pruned, start, whole
from tests.evidence.peers.numpy_resnet8 import forward

RECIPE = Recipe(4, 16, 1e-3)


class _Child:
    """Trains nothing, and leaves a network that is pruned; in this process."""

    def __init__(self, off: float = 0.0) -> None:
        self.off = off
        self.read: Any = None

    def __call__(self, command: list[str], folder: Path, *_: Any, **more: Any) -> Any:
        assert command[-2:] == [BN_SCALE.worker, str(folder)]
        assert more["environment"]["KERAS_BACKEND"] == "torch"
        self.read = job.read(folder)
        order, told = self.read
        diary = job.Diary(folder)
        while len(diary.entries()) < order.epochs:
            diary.add(seconds=2.0, loss=0.5, accuracy=0.25)
            more["watch"]()
        weights = pruned().get_weights()
        outputs = forward(told.x[: job.EXAMPLES], weights)
        job.write_answer(folder, weights, outputs + self.off)
        return {"versions": {"torch": "1"}}


def _train(
    folder: Path, child: _Child, monkeypatch: Any
) -> tuple[training.Trained, list[str], keras.Model]:
    monkeypatch.setattr(training, "run_child", child)
    monkeypatch.setattr(training, "require", lambda peer: None)
    told: list[str] = []
    model = whole()
    trained = training.train_peer(
        BN_SCALE, RESNET8, model, 0.3, data(), RECIPE, 7, folder, told.append
    )
    return trained, told, model


def test_child_is_told_what_everybody_trains_on(
    tmp_path: Path, monkeypatch: Any
) -> None:
    child = _Child()
    trained, told, model = _train(tmp_path, child, monkeypatch)
    order, given = child.read
    assert (order.method, order.share, order.switch) == (BN_SCALE.name, 0.3, 2)
    assert order.network == "resnet8"
    for ours, theirs in zip(given.weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(given.x, data().x_train)
    expected = shuffled(40, RECIPE.batch_size, 7)
    for epoch in range(RECIPE.epochs):
        batches = given.epoch(epoch, order.batch_size)
        for ours, theirs in zip(batches, expected(epoch), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert trained.seconds == [2.0] * 4 and trained.difference < 1e-5
    assert told == ["loss 0.500, accuracy 0.250"] * 4
    assert trained.model.count_params() == pruned().count_params()


def test_epochs_of_an_earlier_attempt_are_told(
    tmp_path: Path, monkeypatch: Any
) -> None:
    job.Diary(tmp_path).add(seconds=1.0, loss=2.0, accuracy=0.1)
    trained, told, _ = _train(tmp_path, _Child(), monkeypatch)
    assert told[0] == "done earlier" and len(told) == 4
    assert trained.seconds == [1.0, 2.0, 2.0, 2.0]


def test_network_with_other_outputs_is_refused(
    tmp_path: Path, monkeypatch: Any
) -> None:
    with pytest.raises(ConversionError, match="outputs of 'Torch-Pruning BN scale'"):
        _train(tmp_path, _Child(off=0.1), monkeypatch)


def _lacking() -> Any:
    return dataclasses.replace(
        TFMOT, packages={"numpy": "numpy", "no_such_module": "no-such-package"}
    )


def test_missing_package_is_named(monkeypatch: Any) -> None:
    monkeypatch.delenv(TFMOT.variable, raising=False)
    assert interpreter.missing(_lacking()) == ["no-such-package"]
    with pytest.raises(MissingDependencyError) as caught:
        interpreter.require(_lacking())
    for part in ("no-such-package", sys.executable, "[tfmot]", TFMOT.variable):
        assert part in str(caught.value)


def test_other_interpreter_is_asked(monkeypatch: Any, tmp_path: Path) -> None:
    linked = tmp_path / "python"
    linked.symlink_to(sys.executable)
    monkeypatch.setenv(TFMOT.variable, str(linked))
    assert interpreter.interpreter(TFMOT) == str(linked)
    # What this process can import is none of its packages.
    path = interpreter.environment(TFMOT)["PYTHONPATH"].split(":")
    assert len(path) == 1 and "-packages" not in path[0]
    # No virtual environment: a bare one.
    assert "no-such-package" in interpreter.missing(_lacking())


def test_what_is_no_interpreter_is_refused(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv(TFMOT.variable, str(tmp_path / "nowhere"))
    with pytest.raises(MissingDependencyError, match="to name a Python interpreter"):
        interpreter.missing(TFMOT)


def test_full_run_refuses_before_it_trains(
    monkeypatch: Any, tmp_path: Path, capsys: Any
) -> None:
    lacking = {name: _lacking() for name in PEERS}
    monkeypatch.setattr(peers_run, "PEERS", lacking)
    monkeypatch.setattr(peers_run, "Trainings", None)
    assert main(["evidence", "peers", "--out", str(tmp_path / "results")]) == 1
    error = capsys.readouterr().err
    assert "no-such-package" in error and not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("name", "network"),
    [(name, network) for name, peer in PEERS.items() for network in peer.networks],
)
@pytest.mark.slow
def test_real_peer(name: str, network: str, tmp_path: Path) -> None:
    absent = interpreter.missing(PEERS[name])
    if absent:
        pytest.skip(f"{' and '.join(absent)} not installed")
    told: list[str] = []
    family, shape = FAMILIES[network], SHAPES[network]
    model = start(family)
    trained = training.train_peer(
        PEERS[name], family, model, 0.3, data(shape=shape), RECIPE, 0, tmp_path,
        told.append,
    )  # fmt: skip
    assert len(told) == 4 and trained.difference < training.TOLERANCE
    before, after = (export.plan(one).macs[0] for one in (model, trained.model))
    weights = [weight for weight in trained.model.get_weights() if weight.ndim > 1]
    # tfmot has no rule for depthwise kernels, of which each is a filter.
    prunable = [weight for weight in weights if weight.shape[-1] > 1]
    zeros = sum(int(np.sum(weight == 0)) for weight in prunable)
    share = zeros / sum(weight.size for weight in prunable)
    if name == TFMOT.name:
        assert after == before and abs(share - 0.7) < 0.005
    else:
        assert 0.2 * before < after <= 0.3 * before and share == 0
    assert json.loads((tmp_path / job.EPOCHS).read_text())[-1]["seconds"] > 0
