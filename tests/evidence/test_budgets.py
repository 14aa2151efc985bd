"""The evidence on budgets: what it compares with, and what it says."""

import json
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.export.benchmarking import networks
from keras_diffmask.export.cli import main
from keras_diffmask.export.demo.reporter import Silent
from keras_diffmask.export.evidence.budgets import table as budget_table
from keras_diffmask.export.evidence.pruning import methods, trainings
from keras_diffmask.export.evidence.settings import Settings
from tests.evidence.small_family import SMALL

SHAPE, CLASSES = (8, 8, 1), 10

pytestmark = pytest.mark.usefixtures("small_family", "trains_eagerly")


def _task(share: float, epochs: int = 4) -> methods.Task:
    return methods.Task(SMALL, SHAPE, CLASSES, share, epochs)


def test_width_of_a_resnet8() -> None:
    assert networks.resnet8().count_params() == 78_666
    half = networks.resnet8(width=0.5)
    kernels = [x.filters for x in half.layers if isinstance(x, keras.layers.Conv2D)]
    assert set(kernels) == {8, 16, 32}
    assert 0.24 < export.plan(half).macs[0] / export.plan(networks.resnet8()).macs[0]


@pytest.mark.parametrize("share", [0.5, 0.15])
def test_narrowed_is_the_widest_that_fits(share: float) -> None:
    model = methods.narrowed(_task(share))
    most = share * export.plan(SMALL.network(SHAPE, CLASSES)).macs[0]
    first, second = (model.get_layer(n).filters for n in ("stem", "alone"))
    assert export.plan(model).macs[0] <= most
    # A step wider: one more channel in the layer that gains it first.
    wider = min(
        export.plan(SMALL.network(SHAPE, CLASSES, width)).macs[0]
        for width in ((first + 1) / 8, (second + 1) / 12)
    )
    assert wider > most


@pytest.mark.parametrize("share", [0.5, 0.15])
def test_l1_norms_close_the_smallest_filters_of_each_layer(share: float) -> None:
    keras.utils.set_random_seed(0)
    l1 = methods.METHODS[methods.L1]
    model = l1.start(_task(share))
    assert all(gate.keep.all() for gate in kd.gates(model)), "not before the turn"

    def sums(name: str) -> np.ndarray:
        kernel = keras.ops.convert_to_numpy(model.get_layer(name).kernel)
        return np.abs(kernel).sum(axis=(0, 1, 2))

    l1.close(model, share)
    tied, alone = kd.gates(model)
    shares = []
    for gate, norms in ((tied, sums("stem") + sums("branch")), (alone, sums("alone"))):
        assert not gate.keep.all()
        assert norms[gate.keep].min() >= norms[~gate.keep].max()
        shares.append(gate.keep.mean())
    assert abs(shares[0] - shares[1]) < 1 / 8, "the same part of every layer"
    before, after = export.plan(model).macs
    assert 0.5 * share * before < after <= share * before


@pytest.fixture(scope="module")
def quick(
    tmp_path_factory: pytest.TempPathFactory, small_family: None, trains_eagerly: None
) -> Any:
    folder = tmp_path_factory.mktemp("budgets") / "results"
    words = ["evidence", "budgets", "--quick", "--json", "--out", str(folder)]
    assert main(words) == 0
    return folder, json.loads((folder / "budgets.json").read_text()), words


def test_quick_run_from_data_to_table(quick: Any) -> None:
    folder, report, _ = quick
    rows = report["tables"][0]["rows"]
    assert [row[:2] for row in rows] == [
        ["100%", "dense"], ["50%", "ours"], ["50%", "narrowed"], ["50%", "L1 norm"],
    ]  # fmt: skip
    for one in report["figures"]["trials"]:
        (figures,) = one["figures"]
        assert figures["macs_share"] <= one["share"] and 0 <= figures["test"] <= 1
    assert (folder / "budgets.png").read_bytes().startswith(b"\x89PNG")


def test_second_run_trains_nothing(quick: Any, monkeypatch: Any) -> None:
    folder, report, words = quick
    monkeypatch.setattr(trainings, "finish", None)
    assert main(words) == 0
    assert json.loads((folder / "budgets.json").read_text()) == report


def test_network_of_a_training_is_kept_beside_its_figures(
    quick: Any, monkeypatch: Any
) -> None:
    folder, report, _ = quick
    settings = Settings(out=str(folder), quick=True)
    with monkeypatch.context() as patch:
        patch.setattr(trainings, "finish", None)
        ours = trainings.Trainings(settings, 0, 1, Silent())
        model = ours.model("ours", 0.5)
    figures = report["figures"]["trials"][1]["figures"][0]
    assert export.plan(model).macs[0] == figures["macs"]
    # Without it, as where only the figures were committed, it is trained again.
    for file in (folder / "runs").glob("*.keras"):
        file.unlink()
    assert ours.model("ours", 0.5).count_params() == figures["parameters"]
    # That of the first half, and what became of it.
    assert len(list((folder / "runs").glob("*.keras"))) == 2


def _figures(test: float, share: float) -> dict[str, float]:
    return {"test": test, "macs_share": share, "macs": 1e6 * share, "parameters": 9,
            "epoch_seconds": 1.0}  # fmt: skip


def _notes(left: tuple[float, float], ours: tuple[float, float]) -> list[str]:
    pairs = zip(ours, left, strict=True)
    trials: budget_table.Trials = {
        ("dense", 1.0): [_figures(0.9, 1.0)] * 2,
        ("ours", 0.5): [_figures(*pair) for pair in pairs],
        ("narrowed", 0.5): [_figures(0.80, 0.5), _figures(0.82, 0.5)],
        ("L1 norm", 0.5): [_figures(0.84, 0.5), _figures(0.86, 0.5)],
    }
    assert len(budget_table.table(trials).rows) == 4
    return budget_table.notes(trials)


def test_notes_say_what_was_reached() -> None:
    budget, narrowed, l1 = _notes(left=(0.5, 0.4905), ours=(0.81, 0.82))
    assert "49.05 to 50.00 % of the MACs; never above: reached" in budget
    assert budget.endswith("at least 98% of it: reached.")
    assert "ours to narrowed, paired by seed: +0.50 ± 0.71" in narrowed
    assert narrowed.endswith("aim: at least 0, reached.")
    assert l1.endswith("aim: at least 0, not reached.")


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        ((0.5, 0.501), r"never above: not reached, at least 98% of it: reached."),
        ((0.5, 0.48), r"never above: reached, at least 98% of it: not reached."),
    ],
)
def test_one_seed_off_its_budget_is_said(left: Any, sentence: str) -> None:
    assert _notes(left, (0.8, 0.8))[0].endswith(sentence)
