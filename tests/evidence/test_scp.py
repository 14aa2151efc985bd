"""VGG-16 and ResNet-56 of the operation-aware paper: networks, images, the command."""

import json
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.export.cli import main
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.evidence.fitting import shuffled
from keras_diffmask.export.evidence.scp import images, networks, run
from keras_diffmask.export.evidence.scp import table as scp_table
from keras_diffmask.export.evidence.scp.trial import METHODS, SCP, Recipe, masked

SHAPE = (32, 32, 3)


@pytest.mark.parametrize(
    ("network", "millions", "norms", "gates", "channels"),
    [
        # 13 convolutions of 64 to 512; two normalizations in each of 27 blocks.
        (networks.VGG_16, 313.20, 13, 13, 4224),
        (networks.RESNET_56, 125.75, 55, 27, 9 * (16 + 32 + 64)),
    ],
)  # fmt: skip
def test_networks_are_those_of_the_paper(network, millions, norms, gates, channels):
    model = networks.BUILDERS[network](SHAPE, 10)
    assert export.plan(model).macs[0] / 1e6 == pytest.approx(millions, abs=0.01)
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(keras.layers.BatchNormalization) == norms
    found = kd.gates(masked(model, network))
    assert (len(found), sum(gate.units for gate in found)) == (gates, channels)


def test_what_decays_is_every_weight_but_the_offsets():
    model = networks.vgg16((8, 8, 3), 10, divisor=16)
    gammas = [w for w in model.trainable_weights if w.name == "gamma"]
    kernels = [w for w in model.trainable_weights if w.name == "kernel"]
    squares = sum(float(np.sum(np.square(w.numpy()))) for w in gammas + kernels)
    assert len(gammas) == 13 and len(kernels) == 14
    found = sum(float(keras.ops.convert_to_numpy(loss)) for loss in model.losses)
    assert found == pytest.approx(networks.DECAY * squares, rel=1e-5)


def test_the_rate_falls_at_half_and_at_three_quarters():
    rate = Recipe(epochs=8, batch_size=10).optimizer(35)._learning_rate
    found = [float(keras.ops.convert_to_numpy(rate(step))) for step in (0, 16, 17, 25)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.001], rtol=1e-6)


def test_images_are_standardized_by_the_training_part():
    generator = np.random.default_rng(0)
    x = generator.normal([3, 5], [1, 2], (64, 4, 4, 2)).astype(np.float32)
    y = np.arange(64)
    data = Dataset(x, y, x[:8] + 1, y[:8], x[8:9], y[8:9], ("a",), "n", "", (4, 4, 2))
    found = images.standardized(data)
    np.testing.assert_allclose(found.x_train.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(found.x_train.std(axis=(0, 1, 2)), 1, rtol=1e-5)
    # By the same numbers: what is 1 more stays more.
    apart = found.x_val - found.x_train[:8]
    np.testing.assert_allclose(apart * x.std(axis=(0, 1, 2)), 1, rtol=1e-4)


def test_moved_images_are_crops_and_mirrors():
    x = np.arange(1, 6 * 16 * 16 + 1, dtype=np.float32).reshape(6, 16, 16, 1)
    moved = images.moved(np.repeat(x, 50, 0), np.random.default_rng(0))
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    seen = set()
    for before, after in zip(np.repeat(padded, 50, 0), moved, strict=True):
        places = [
            (top, left, turn)
            for top in range(5)
            for left in range(5)
            for turn in (1, -1)
            if np.array_equal(
                before[top : top + 16, left : left + 16][:, ::turn], after
            )
        ]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) == 50, "every move comes"


def test_moves_depend_on_seed_epoch_and_batch_alone():
    x = np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype(np.float32)
    y = np.arange(20)

    def batch(seed: int, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        batches = images.Moved(shuffled(20, 10, 0), x, y, seed)
        batches.start(epoch)
        return batches[index]

    one, labels = batch(0, 3, 1)
    again, same = batch(0, 3, 1)
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(labels, same)
    for other in (batch(1, 3, 1)[0], batch(0, 4, 1)[0], batch(0, 3, 0)[0]):
        assert not np.array_equal(one, other)


def _figures(test: float, share: float) -> dict[str, Any]:
    return {
        "test": test, "masked_test": test, "macs_share": share,
        "parameters_share": share, "channels": [6, 5], "channels_of": [10, 10],
        "epoch_seconds": 7.0,
    }  # fmt: skip


def test_table_and_notes():
    trials: scp_table.Trials = {
        (networks.VGG_16, "dense"): [_figures(0.90, 1.0), _figures(0.91, 1.0)],
        (networks.VGG_16, SCP): [_figures(0.89, 0.4), _figures(0.91, 0.5)],
    }
    dense, pruned = scp_table.table(trials).rows
    assert dense[2].startswith("90.50 ± 0.71") and dense[3] == dense[-1] == ""
    assert pruned[3].startswith("-0.50 ± 0.71 (-1.00..+0.00)")
    assert pruned[4].startswith("45.0") and pruned[6] == "11 of 20"
    assert "66.23 %" in pruned[-1]
    trials[networks.VGG_16, SCP][0]["masked_test"] = 0.88
    assert "1.00 points of accuracy at most" in scp_table.notes(trials)[-1]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, trains_eagerly: None) -> Any:
    """(folder, report, words) of a quick run."""
    folder = tmp_path_factory.mktemp("scp") / "results"
    words = ["evidence", "scp", "--quick", "--json", "--out", str(folder)]
    assert main(words) == 0
    return folder, json.loads((folder / "scp.json").read_text()), words


@pytest.mark.slow
def test_quick_run_from_data_to_table(quick: Any) -> None:
    folder, report, _ = quick
    (table,) = report["tables"]
    wanted = [[name, method] for name in networks.BUILDERS for method in METHODS]
    assert [row[:2] for row in table["rows"]] == wanted
    for one in report["figures"]["trials"]:
        (figures,) = one["figures"]
        assert figures["test"] == pytest.approx(figures["masked_test"], abs=0.03)
        assert 0 < figures["macs_share"] <= 1 and len(report["figures"]["seeds"]) == 1
    assert (folder / "scp.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_second_run_trains_nothing(quick: Any, monkeypatch: Any) -> None:
    folder, report, words = quick
    monkeypatch.setattr(run, "run_trial", None)
    assert main(words) == 0
    assert json.loads((folder / "scp.json").read_text()) == report
