"""The demo's networks, recipes, settings and table, each alone."""

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.benchmarking import BenchmarkResult, Machine, ModelTimes
from keras_diffmask.export.demo.networks import build, reborn
from keras_diffmask.export.demo.recipes import RECIPES, Recipe, recipe_for
from keras_diffmask.export.demo.report import Report, Row, Spread
from keras_diffmask.export.demo.settings import Settings
from keras_diffmask.export.demo.table import render
from keras_diffmask.export.demo.training import accuracy, settled, shifted

SHAPES = [
    ("image", (8, 8, 1), 10),
    ("image", (28, 28, 1), 10),
    ("image", (32, 32, 3), 10),
    ("image", (49, 10, 1), 12),
    ("sequence", (8, 8), 10),
    ("sequence", (128, 9), 6),
]


@pytest.mark.parametrize(("task", "shape", "classes"), SHAPES)
def test_dense_networks_have_40_to_80_thousand_parameters(task, shape, classes):
    model = build(task, shape, classes)
    assert 40_000 <= model.count_params() <= 80_000
    assert model.output_shape == (None, classes)


def test_reborn_has_the_widths_and_fresh_weights():
    model = build("image", (8, 8, 1), 10)
    fresh = reborn(model)
    assert [w.shape for w in fresh.weights] == [w.shape for w in model.weights]
    assert not np.array_equal(
        fresh.get_layer("stem").kernel, model.get_layer("stem").kernel
    )


def test_recipes():
    assert recipe_for("image", "digits") == RECIPES["image", "digits"]
    assert recipe_for("image", "another").epochs >= 1
    assert recipe_for("image", "digits", 7).epochs == 7
    with pytest.raises(InvalidArgumentError, match="Expected at least 1 epoch"):
        recipe_for("image", "digits", 0)


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"budget": 0.0}, {"budget": 1.5}])
def test_settings_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError):
        Settings(**wrong)


def test_quick_settings():
    quick = Settings(quick=True).resolved()
    assert (quick.seeds, quick.epochs, quick.limit) == (1, 3, 200)
    assert Settings(quick=True, epochs=9).resolved().epochs == 9
    assert Settings().resolved().limit is None


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="Expected a folder for the results"):
        Settings(out=str(tmp_path / "file" / "deep")).folder()


def test_shifts_move_one_column_each_way():
    x, y = shifted(np.arange(1, 7).reshape(1, 2, 3, 1), np.array([4]))
    assert y.tolist() == [4, 4, 4]
    assert x[1, ..., 0].tolist() == [[2, 3, 0], [5, 6, 0]]
    assert x[2, ..., 0].tolist() == [[0, 1, 2], [0, 4, 5]]


def test_statistics_settle_after_a_short_training_and_are_left_after_a_long_one():
    generator = np.random.default_rng(0)
    data = SimpleNamespace(x_train=generator.normal(5.0, 1.0, (40, 8, 8, 1)))
    model = build("image", (8, 8, 1), 3)
    short, long = Recipe(3, 8, 1e-3), Recipe(100, 8, 1e-3)
    assert settled(model, data, long) is model
    lstm = build("sequence", (8, 8), 3)
    assert settled(lstm, data, short) is lstm
    inputs = np.asarray(model.get_layer("stem")(data.x_train))
    found = settled(model, data, short).get_layer("stem_norm")
    np.testing.assert_allclose(
        np.asarray(found.moving_mean), inputs.mean((0, 1, 2)), rtol=1e-4, atol=1e-5
    )


def test_accuracy():
    outputs = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    assert accuracy(outputs, np.array([1, 0, 0])) == pytest.approx(2 / 3)


def test_table_says_what_it_comes_to():
    times = ModelTimes("m", 1, 1.0, 1, *[1.0] * 5, round_us=(1.0,))
    row = Row("dense", Spread.of([0.99, 0.97]), 54_322, 859_024, 2e5, 6e4, 1.0)
    small = Row("pruned int8", Spread.of([0.975]), 1e4, 1.7e5, None, 2e4, 0.4)
    trial = {
        "macs": [100, 19],
        "bytes": {"dense_int8": 60_000, "pruned_int8": 20_000},
    }
    report = Report(
        settings=Settings(),
        recipe=recipe_for("image", "digits"),
        data={"name": "digits", "note": "", "train": 1, "test": 1},
        rows=(row, small),
        trials=(trial,),
        benchmark=BenchmarkResult(
            (times,), Machine("cpu", 2, "Linux", "3", {}), "host", 1, "now"
        ),
        seconds=1.0,
        files={},
    )
    text = render(report)
    assert re.search(r"dense +98\.00 \(97\.00\.\.99\.00\) +54,322 +859,024", text)
    assert "MACs: 19.0%" in text and "3.00 times smaller" in text
    assert "0.50 points below" in text
    gained = dataclasses.replace(row, accuracy=Spread.of([0.97]))
    better = render(dataclasses.replace(report, rows=(gained, small)))
    assert "0.50 points above" in better
