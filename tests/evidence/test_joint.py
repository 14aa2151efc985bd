"""Pruning and quantization together: the command end to end, and what its notes say."""

import json
from pathlib import Path
from typing import Any

import pytest

from keras_diffmask.export.cli import main
from keras_diffmask.export.evidence.joint import table as joint_table
from keras_diffmask.export.evidence.pruning import trainings

pytest.importorskip("ai_edge_quantizer")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, trains_eagerly: None) -> Any:
    folder = tmp_path_factory.mktemp("joint") / "results"
    words = ["evidence", "joint", "--quick", "--json", "--out", str(folder)]
    assert main(words) == 0
    return folder, json.loads((folder / "joint.json").read_text()), words


def test_quick_run_from_data_to_table(quick: Any) -> None:
    folder, report, _ = quick
    rows = report["tables"][0]["rows"]
    assert [row[0] for row in rows] == list(joint_table.ROWS)
    for trained, (figures,) in report["figures"]["trials"].items():
        limit = 1.0 if trained == "dense" else 0.3
        assert figures["macs_share"] <= limit
        for file in figures["files"].values():
            assert 0 <= file["test"] <= 1 and file["bytes"] > 1000
    trials = report["figures"]["trials"]
    four, eight = (trials[f"ours with int{bits}"][0]["files"] for bits in (4, 8))
    assert four["learned"]["bytes"] < 0.8 * eight["learned"]["bytes"]
    assert (folder / "joint.png").read_bytes().startswith(b"\x89PNG")


def test_second_run_trains_nothing(quick: Any, monkeypatch: Any) -> None:
    folder, report, words = quick
    monkeypatch.setattr(trainings, "finish", None)
    monkeypatch.setattr(trainings.files, "measure", None)
    assert main(words) == 0
    assert json.loads((folder / "joint.json").read_text()) == report


def _trial(test: float, **files: float) -> dict[str, Any]:
    found = {name: {"test": value, "bytes": 9} for name, value in files.items()}
    return {"test": test, "macs_share": 0.3, "files": found}


_NEAR = {"exact": 0.8, "within_1": 0.995, "class": 0.99, "class_within_1": 0.999}


def _notes(
    eight: tuple[float, float], four: tuple[float, float], within_1: float = 0.995
) -> list[str]:
    trials = {
        "dense": [_trial(0.90)] * 2,
        "ours, the lowest charged": [_trial(0.88, int8=0.87, int4=0.60)] * 2,
        "ours with int8": [_trial(0.88, learned=value) for value in eight],
        "ours with int4": [_trial(0.86, learned=value) for value in four],
    }
    for trained in ("ours with int8", "ours with int4"):
        for one in trials[trained]:
            near = {**_NEAR, "within_1": within_1}
            one["files"]["learned"]["agreement"] = near
    assert len(joint_table.table(trials).rows) == 6
    return joint_table.notes(trials)


def test_notes_say_what_was_reached() -> None:
    ahead, below, ahead4, below4, *near = _notes((0.886, 0.888), (0.871, 0.873))
    assert "+1.70 ± 0.14" in ahead and "standard error 0.10" in ahead
    assert "1.30 points below dense float; aim: at most 1.5" in below
    assert "2.80 points below dense float; aim: at most 3" in below4
    for note in (ahead, below, ahead4, below4):
        assert note.endswith(", reached.")
    assert len(near) == 2 and all(
        note.endswith("(aim 99.5%): reached.") for note in near
    )


def test_notes_say_what_was_not_reached() -> None:
    notes = _notes((0.85, 0.86), (0.5, 0.6), within_1=0.98)
    assert len(notes) == 6 and all(note.endswith("not reached.") for note in notes)


def test_sequences_are_refused(motion: Path, tmp_path: Path, capsys: Any) -> None:
    words = ["evidence", "joint", "--data-dir", str(motion)]
    assert main([*words, "--out", str(tmp_path / "results")]) == 1
    error = capsys.readouterr().err
    assert "a folder of images" in error and "lstm-int8" in error
    assert not (tmp_path / "results").exists()
