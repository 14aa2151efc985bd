"""LeNets and papers: where the gates are, what is counted, and the command."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask.export.cli import main
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Silent
from keras_diffmask.export.evidence.kept import Kept
from keras_diffmask.export.evidence.lenet import images, networks, trainings, transfer
from keras_diffmask.export.evidence.lenet import table as lenet_table
from keras_diffmask.export.evidence.lenet.trial import read_units
from keras_diffmask.export.evidence.settings import Settings

SHAPE = (28, 28, 1)


def _gates(network: str, rule: str) -> list[int]:
    masks = networks.RULES[rule](network, 54_000, 100)
    model, _ = networks.BUILDERS[network](SHAPE, 10, masks)
    return [gate.units for gate in kd.gates(model)]


def test_l0_gates_are_where_the_paper_has_them() -> None:
    assert _gates(networks.LENET_300_100, networks.L0) == [784, 300, 100]
    assert _gates(networks.LENET_5, networks.L0) == [20, 50, 800, 500]


def test_top_k_keeps_its_count_in_every_row() -> None:
    masks = networks.top_k(networks.LENET_5, 54_000, 100)
    model, layers = networks.lenet_5(SHAPE, 10, masks)
    conv, _, units, _ = (
        gate.keep.reshape(layer.kernel.shape)
        for gate, layer in zip(kd.gates(model), layers, strict=True)
    )
    assert (conv.sum(axis=(0, 1)) == 20).all()
    assert (units.sum(axis=0) == 10).all()


def test_units_are_counted_as_the_papers_count() -> None:
    conv, dense = np.ones((5, 5, 1, 4)), np.ones((6, 3))
    conv[..., 1] = 0
    dense[[0, 5]] = 0
    dense[:, 0] = 0
    assert read_units([conv, dense]) == [3, 4]


def test_a_linear_classifier_learns_from_good_features_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Few images make few steps: larger ones.
    monkeypatch.setattr(transfer, "RECIPE", Recipe(20, 100, 2e-2))
    digits = images.load(Settings(), 0, Silent())[0]
    assert digits.input_shape == (24, 24, 1)
    inputs = keras.Input(digits.input_shape)
    x = keras.layers.AveragePooling2D(3)(inputs)
    good = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(x)))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    bad = keras.Model(inputs, keras.layers.Dense(10)(x))
    before = [w.copy() for w in good.get_weights()]
    # The pixels themselves: a linear classifier on them errs seldom.
    assert transfer.error_of_features(good, digits, 0) < 0.15
    assert transfer.error_of_features(bad, digits, 0) > 0.6
    for one, two in zip(before, good.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, trains_eagerly: None) -> Any:
    folder = tmp_path_factory.mktemp("lenet") / "results"
    words = ["evidence", "lenet", "--quick", "--json", "--out", str(folder)]
    assert main(words) == 0
    return folder, json.loads((folder / "lenet.json").read_text()), words


def test_quick_run_from_data_to_table(quick: Any) -> None:
    folder, report, _ = quick
    (table,) = report["tables"]
    assert [row[:2] for row in table["rows"]] == [
        [network, rule] for network in networks.BUILDERS for rule in networks.RULES
    ]
    for one in report["figures"]["trials"]:
        (figures,) = one["figures"]
        share = figures["kept_weights"] / figures["weights"]
        assert 0 <= figures["test_error"] <= 1 and share <= 1
        # What the strip took away, nothing computed with.
        assert figures["masked_test_error"] == figures["test_error"]
        if one["method"] == networks.TOP_K:
            assert share < 0.1
        elif one["method"] == networks.DENSE:
            assert share == 1
    assert "not run" in report["notes"][-1]
    assert (folder / "lenet.png").read_bytes().startswith(b"\x89PNG")


def test_second_run_trains_nothing(quick: Any, monkeypatch: Any) -> None:
    folder, report, words = quick
    monkeypatch.setattr(trainings, "run_trial", None)
    assert main(words) == 0
    assert json.loads((folder / "lenet.json").read_text()) == report


def test_network_of_a_training_is_made_again_where_it_is_gone(tmp_path: Path) -> None:
    made = []

    def train(_: Path) -> Any:
        made.append(1)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        return model, {"run": len(made)}

    kept = Kept(tmp_path / "runs")
    assert kept.figures({"a": 1}, train) == {"run": 1}
    assert kept.model({"a": 1}, train).count_params() == 3 and len(made) == 1
    for file in (tmp_path / "runs").glob("*.keras"):
        file.unlink()
    assert kept.figures({"a": 1}, train) == {"run": 1}
    assert kept.model({"a": 1}, train).count_params() == 3
    # The figures are those of the network that lies there.
    assert kept.figures({"a": 1}, train) == {"run": 2} and len(made) == 2


def _figures(error: float) -> dict[str, Any]:
    return {
        "test_error": error,
        "kept_weights": 5,
        "weights": 50,
        "kept_units": [7, 3],
        "macs_share": 0.4,
    }


def test_tables_and_notes() -> None:
    trials: lenet_table.Trials = {
        ("LeNet-5", "dense"): [_figures(0.01), _figures(0.02)],
        ("LeNet-5", "L0"): [_figures(0.012), _figures(0.024)],
    }
    row = lenet_table.table(trials).rows[1]
    assert row[3:6] == ("10.00 ± 0.00 (10.00..10.00)", "7-3", "40.0 ± 0.0 (40.0..40.0)")
    assert "error 0.9 %" in row[6]
    _, note = lenet_table.notes(trials, "fashion_mnist")
    assert "LeNet-5, L0: +0.30 ± 0.14" in note
    errors = {("LeNet-5", "dense"): [0.2, 0.3], ("LeNet-5", "L0"): [0.25, 0.31]}
    rows = lenet_table.features_table(errors, "other").rows
    assert rows[0][3] == "" and rows[1][3].startswith("+3.00 ± 2.83")
