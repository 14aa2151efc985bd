"""Runs are done once, share their figures, and go on where they were stopped."""

from pathlib import Path
from typing import Any

import pytest

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.runs import Runs

ABOUT = {"network": "dense", "seed": 0}


def forbidden(_: Path) -> dict[str, Any]:
    raise AssertionError("it was done again")


def test_a_run_is_done_once_and_shared(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    first = runs.once(ABOUT, lambda _: {"score": 0.5, "kept": (1, 2)})
    # Plain data, the same from memory as from the file.
    assert first == {"score": 0.5, "kept": [1, 2]}
    again = Runs(tmp_path / "runs")
    assert again.once({"seed": 0, "network": "dense"}, forbidden) == first
    assert again.once({**ABOUT, "seed": 1}, lambda _: {"score": 0.7}) != first


def test_a_stopped_run_finds_what_it_left(tmp_path: Path) -> None:
    runs = Runs(tmp_path)

    def stopped(unfinished: Path) -> dict[str, Any]:
        (unfinished / "epoch").write_text("3")
        raise KeyboardInterrupt

    def goes_on(unfinished: Path) -> dict[str, Any]:
        return {"from": (unfinished / "epoch").read_text()}

    with pytest.raises(KeyboardInterrupt):
        runs.once(ABOUT, stopped)
    assert not runs.path(ABOUT).exists()
    assert runs.once(ABOUT, goes_on) == {"from": "3"}
    assert [path.name for path in tmp_path.iterdir()] == [runs.path(ABOUT).name]


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.path(ABOUT).write_text("{")
    with pytest.raises(ArtifactError, match="figures of a finished run.*Delete"):
        runs.once(ABOUT, forbidden)
