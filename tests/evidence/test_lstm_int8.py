"""The evidence on int8 LSTMs in two runtimes, quickly, and what it compares."""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import MissingDependencyError
from keras_diffmask.export.cli import main
from keras_diffmask.export.evidence.lstm_int8 import networks as lstm_networks
from keras_diffmask.export.evidence.lstm_int8 import run as lstm_run
from keras_diffmask.export.evidence.lstm_int8 import table as lstm_table
from keras_diffmask.export.evidence.lstm_int8 import tflm
from keras_diffmask.export.evidence.lstm_int8 import trial as lstm_trial

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"


@pytest.fixture(scope="module")
def quick(
    tmp_path_factory: pytest.TempPathFactory, motion: Path, converts_here: None
) -> Any:
    """(folder, report, words) of a quick run."""
    pytest.importorskip("tflite_micro")
    folder = tmp_path_factory.mktemp("lstm") / "results"
    words = ["evidence", "lstm-int8", "--quick", "--json"]
    words += ["--data-dir", str(motion), "--out", str(folder)]
    assert main(words) == 0
    return folder, json.loads((folder / "lstm-int8.json").read_text()), words


def test_five_networks_in_two_runtimes(quick: Any) -> None:
    folder, report, _ = quick
    ops, outputs, states = (table["rows"] for table in report["tables"])
    names = ["plain", "stripped", "stacked", "bidirectional", "Conv1D + LSTM"]
    assert [row[0] for row in ops] == [row[0] for row in outputs] == names
    assert [row[0] for row in states] == [
        "plain, 32 units", "stripped, 37 units", "stacked 1, 24 units",
        "stacked 2, 17 units", "bidirectional 1, 12 units",
        "bidirectional 2, 12 units", "Conv1D + LSTM, 20 units",
    ]  # fmt: skip
    assert ops[1][1] == f"FULLY_CONNECTED, {LSTM}, STRIDED_SLICE, FULLY_CONNECTED"
    assert report["notes"][0].endswith("Flex: 5 of 5.")
    assert (folder / "lstm-int8.png").read_bytes().startswith(b"\x89PNG")


def test_runtimes_differ_by_one_at_most_in_a_step(quick: Any) -> None:
    _, report, _ = quick
    for (figures,) in report["figures"]["trials"].values():
        assert sum(figures["outputs"]) == 3 * figures["sequences"]
        for lstm in figures["lstms"]:
            assert len(lstm["step"]) <= 2
            assert sum(lstm["step"]) == sum(lstm["sequence"]) == sum(lstm["nudged"])
            # As many of the entries are moved as differ in a step, and stay moved.
            assert sum(lstm["nudged"][1:]) >= 0.5 * sum(lstm["step"][1:])
    summary = report["figures"]["summary"]
    assert summary["files_as_promised"] == 5 and summary["largest_of_a_step"] <= 1


def test_second_run_trains_nothing(quick: Any, monkeypatch: Any) -> None:
    folder, report, words = quick
    monkeypatch.setattr(lstm_run, "run_trial", None)
    assert main(words) == 0
    assert json.loads((folder / "lstm-int8.json").read_text()) == report


def test_without_tflite_micro_nothing_is_trained(
    motion: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro.python.tflite_micro", None)
    with pytest.raises(MissingDependencyError, match="pip install --pre tflite-micro"):
        tflm.runtime()
    words = ["evidence", "lstm-int8", "--data-dir", str(motion)]
    assert main([*words, "--out", str(tmp_path / "results")]) == 1
    assert not (tmp_path / "results").exists()
    assert "tflite-micro" in capsys.readouterr().err


def test_stripped_network_keeps_what_it_says() -> None:
    keras.utils.set_random_seed(0)
    slim = export.strip(lstm_networks.network("stripped", (12, 4), 3, seed=1))
    (lstm,) = (x for x in slim.layers if isinstance(x, keras.layers.LSTM))
    assert tuple(lstm.cell.kernel.shape) == (19, 4 * 37)


def test_ties_are_no_disagreement() -> None:
    ours = np.array([[5, 5, 1], [5, 4, 1], [3, 9, 1]])
    theirs = np.array([[5, 6, 1], [5, 6, 1], [3, 9, 1]])
    assert (ours.argmax(-1) == theirs.argmax(-1)).tolist() == [False, False, True]
    assert lstm_trial.tied(ours, theirs).tolist() == [True, False, True]
    assert lstm_trial.counts(np.array([[0, -1], [3, 1]])) == [1, 2, 0, 1]


def _figures(outputs: list[int], error: float, same: float, step: list[int]) -> Any:
    lstm = {"units": 4, "step": step, "step_cell": [9, 1], "sequence": [8, 1, 0, 1]}
    return {
        "ops": [LSTM, "FULLY_CONNECTED"],
        "quantization": "int8",
        "outputs": outputs,
        "error": {"litert": error, "tflm": error + 0.001},
        "error_by_sequence": {"median": error / 2, "largest": 4 * error},
        "same_choice": same - 0.01,
        "same_choice_or_tied": same,
        "test": {"float": 0.9, "int8": 0.9},
        "lstms": [{**lstm, "nudged": [7, 2, 1]}],
    }


def test_notes_say_what_was_reached() -> None:
    good = _figures([9, 0, 1], 0.02, 0.995, [9, 1])
    files, error, largest, same, step, sequence = lstm_table.notes({"plain": [good]})
    assert files.endswith("1 of 1.")
    assert "at most 2.10%" in error and "sequence 1.00%" in error
    assert error.endswith("3%, reached (1 of 1 files).")
    assert "at most 2 apart" in largest and largest.endswith("at most 2, reached.")
    assert "98.5%" in same and "99.5% but for ties" in same
    assert same.endswith("99%, reached.") and step.endswith("at most 1, reached.")
    assert "up to 3 apart, and LiteRT from itself up to 2" in sequence


def test_one_seed_that_misses_is_said() -> None:
    good = _figures([10], 0.02, 0.995, [9, 1])
    bad = _figures([8, 0, 0, 2], 0.0295, 0.985, [8, 1, 1])
    bad["ops"].append("CUSTOM FlexTensorListReserve")
    trials = {"plain": [good, bad]}
    files, error, *others, _ = lstm_table.notes(trials)
    assert files.endswith("1 of 2.")
    assert error.endswith("not reached (1 of 2 files).")
    assert all(line.endswith("not reached.") for line in others)
    assert "at most 3 apart in integers, 10.000% of them more than 2" in others[0]
    assert lstm_table.tables(trials)[1].rows[0][6:11] == (
        "90.00", "0.00", "0.00", "10.00", "3",
    )  # fmt: skip
