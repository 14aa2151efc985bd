"""The comparison end to end, quickly: every method, its budget, its files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_diffmask import estimators
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.cli import main
from keras_diffmask.export.compare import trial
from keras_diffmask.export.compare.methods import methods
from keras_diffmask.export.compare.report import row_of
from keras_diffmask.export.compare.settings import Settings
from keras_diffmask.export.compare.trial import Figures

WORDS = ["compare", "--quick", "--epochs", "1", "--limit", "60", "--json", "--out"]


@pytest.fixture(scope="module")
def compared(
    tmp_path_factory: pytest.TempPathFactory, trains_eagerly: None
) -> tuple[Path, dict[str, Any]]:
    """(folder, report) of a quick comparison of all estimators."""
    folder = tmp_path_factory.mktemp("compare") / "results"
    assert main([*WORDS, str(folder)]) == 0
    return folder, json.loads((folder / "report.json").read_text())


def test_every_estimator_has_a_row_at_least(compared: Any) -> None:
    _, report = compared
    named = {row["method"].split(" ")[0] for row in report["rows"]}
    assert named == {"dense", *estimators.ALL_OBJECTS}


def test_methods_on_channels_meet_the_budget_and_say_what_they_kept(
    compared: Any,
) -> None:
    _, report = compared
    on_channels = [row for row in report["rows"] if "channels" in row["method"]]
    assert len(on_channels) >= len(estimators.ALL_OBJECTS) - 1
    for row in on_channels:
        assert 0.2 < row["macs"]["mean"] <= 0.3, row["method"]
        assert row["units"]["mean"] < 1.0 and row["weights"]["mean"] < 0.6
        assert row["epoch_seconds"]["low"] > 0.0


def test_methods_on_weights_say_that_they_lack_speed(compared: Any) -> None:
    _, report = compared
    on_weights = [row for row in report["rows"] if "weights" in row["method"]]
    assert on_weights
    for row in on_weights:
        assert row["macs"]["low"] > 0.3
        assert "lacks speed" in row["verdict"]


def test_files_are_written_and_a_second_run_trains_nothing(
    compared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, report = compared
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((folder / "runs").iterdir())) == len(report["rows"])

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("it trained again")

    monkeypatch.setattr(trial, "train", forbidden)
    assert main([*WORDS, str(folder)]) == 0
    assert json.loads((folder / "report.json").read_text()) == report


def test_channels_come_first_and_weights_where_a_count_is_given() -> None:
    names = [method.name for method in methods(["hard_concrete"])]
    assert names == ["hard_concrete (channels)"]
    assert {one.estimator for one in methods()} == set(estimators.ALL_OBJECTS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"estimators": ("hard_cement",)}, "estimators out of .*hard_concrete"),
        ({"seeds": 0}, "at least 1 seed"),
        ({"epochs": 0}, "at least 1 epoch"),
        ({"budgets": (0.3, 1.5)}, "budgets in"),
        ({"budgets": ()}, "budgets in"),
        ({"limit": 0}, "limit of at least 1"),
    ],
)
def test_settings_raise_for_what_is_out_of_range(
    arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        Settings(**arguments)


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    from keras_diffmask.export.compare.run import run

    with pytest.raises(ArtifactError, match="folder for the results"):
        run(Settings(out=str(tmp_path / "no" / "such"), quick=True))


def test_signals_are_refused_with_what_this_command_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No option of another command: `compare` has no task."""
    from keras_diffmask.export.compare.run import run
    from keras_diffmask.export.demo import folders, splits

    x, y = np.zeros((8, 5, 2), "float32"), np.arange(8) % 2
    signals = splits.Raw(x, y, x, y, classes=("a", "b"), name="uci_har", note="")
    monkeypatch.setattr(folders, "read", lambda *given: signals)
    with pytest.raises(InvalidArgumentError, match="Take images or spectra") as caught:
        run(Settings(data_dir="somewhere", out=str(tmp_path / "out"), quick=True))
    assert "`keras-diffmask demo --task sequence`" in str(caught.value)


def _figures(test: float, macs: float) -> Figures:
    return Figures(test, test, units=0.5, weights=0.3, macs=macs, epoch_seconds=1.0)


@pytest.mark.parametrize(
    ("test", "macs", "verdict"),
    [
        (0.91, 0.30, "1.00 points below dense"),
        (0.93, 0.29, "1.00 points above dense"),
        (0.90, 0.30, "2.00 points below dense: lacks 0.50 to be within 1.5"),
        (0.92, 1.00, "0.00 points above dense; lacks speed: its zeros lie inside"),
    ],
)
def test_verdict_says_whether_it_kept_up_or_what_it_lacks(
    test: float, macs: float, verdict: str
) -> None:
    row = row_of("x", 0.3, [_figures(test, macs)], [_figures(0.92, 1.0)])
    assert row.verdict.startswith(verdict)
