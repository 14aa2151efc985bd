"""The demo end to end, quickly: what it writes, and that the budget holds."""

import json
from pathlib import Path

import keras
import pytest

from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.cli import main
from keras_diffmask.export.surgery import plan

FILES = {
    "dense_float32.tflite",
    "dense_int8.tflite",
    "pruned_float32.tflite",
    "pruned_int8.tflite",
    "kept.png",
    "masked.keras",
    "report.html",
    "report.json",
}


@pytest.fixture(scope="module", params=["image", "sequence"])
def demo(request, tmp_path_factory):
    """(folder, report) of a quick demo of one task."""
    folder = tmp_path_factory.mktemp("demo") / "results"
    words = ["demo", "--quick", "--task", request.param, "--budget", "0.3"]
    assert main([*words, "--epochs", "2", "--out", str(folder), "--json"]) == 0
    return folder, json.loads((folder / "report.json").read_text())


def test_everything_is_written(demo):
    folder, report = demo
    assert {path.name for path in folder.iterdir()} == FILES
    assert {Path(path).name for path in report["files"].values()} == FILES
    assert (folder / "kept.png").read_bytes().startswith(b"\x89PNG")


def test_files_hold_what_the_report_says(demo):
    folder, report = demo
    (trial,) = report["trials"]
    for name, size in trial["bytes"].items():
        artifact = Artifact.load(folder / f"{name}.tflite")
        assert artifact.nbytes == size
        assert artifact.quantization == name.split("_")[1]


def test_budget_holds_on_the_saved_model(demo):
    folder, report = demo
    before, after = plan(keras.models.load_model(folder / "masked.keras")).macs
    assert [before, after] == report["trials"][0]["macs"]
    assert after <= 0.3 * before
    assert report["macs_share"] == after / before


def test_rows_of_the_table(demo):
    _, report = demo
    rows = {row["name"]: row for row in report["rows"]}
    assert list(rows) == ["dense", "pruned", "pruned int8", "same widths from scratch"]
    assert rows["dense"]["time_ratio"] == 1.0
    assert rows["pruned"]["int8_bytes"] is None
    assert rows["pruned int8"]["float_bytes"] is None
    for row in rows.values():
        assert row["accuracy"]["low"] <= row["accuracy"]["mean"]
        assert row["accuracy"]["mean"] <= row["accuracy"]["high"]
    assert rows["pruned int8"]["macs"] <= 0.3 * rows["dense"]["macs"]
    assert report["int8_shrink"] > 1


def test_report_says_where_and_with_what(demo):
    _, report = demo
    machine = report["benchmark"]["machine"]
    assert machine["cpu"] and machine["cores"] >= 1
    assert machine["libraries"]["keras"] == keras.__version__
    assert report["seconds"] > 0
    assert report["settings"]["seeds"] == 1 and report["settings"]["quick"]
    assert report["recipe"]["epochs"] == 2
    assert report["trials"][0]["seed"] == 0
