"""Every example runs as a user would run it, in a short form."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keras_diffmask.export.tflm import has_tflm

_ROOT = Path(__file__).parents[2]
_EXAMPLES = _ROOT / "examples"


def _number(pattern: str, printed: str) -> float:
    """The number of the one group of a pattern, which has to be there."""
    found = re.search(pattern, printed)
    assert found, f"{pattern!r} in what it printed:\n{printed}"
    return float(found[1].replace(",", ""))


def _accuracy(printed: str, name: str = "") -> float:
    return _number(rf"{name}int8 accuracy ([\d.]+)%", printed) / 100


def _error(printed: str, name: str) -> float:
    return _number(rf"between masked and {name}: ([\d.e+-]+)", printed)


def _quick_start(printed: str, folder: Path) -> None:
    assert _number(r"macs: decided ([\d.]+)%", printed) <= 30
    assert _error(printed, "stripped") < 1e-4
    assert min(_accuracy(printed, f"{name}: ") for name in ("dense", "pruned")) > 0.5
    sizes = re.findall(r": int8 accuracy .*%, ([\d,]+) bytes", printed)
    dense, pruned = (int(size.replace(",", "")) for size in sizes)
    assert (folder / "pruned.tflite").stat().st_size == pruned < dense / 2


def _pretrained(printed: str, folder: Path) -> None:
    assert (folder / "base.keras").is_file() and (folder / "pruned.keras").is_file()
    assert _number(r"MACs: .* \(([\d.]+)%\)", printed) <= 40
    assert re.search(r"Conv1 +24 of 24", printed)
    assert _number(r"stripped accuracy ([\d.]+)%", printed) > 40  # of five classes
    assert _accuracy(printed) > 0.4


def _lstm(printed: str, folder: Path) -> None:
    assert _number(r"macs: decided ([\d.]+)%", printed) <= 20
    operators = re.search("operators: (.*)", printed)
    assert operators and operators[1].count("UNIDIRECTIONAL_SEQUENCE_LSTM") == 2
    assert len(operators[1].split(", ")) < 6
    assert _accuracy(printed) > 0.15
    if has_tflm():
        assert _number("arena ([\\d,]+) bytes in TFLM", printed) < 8000
        assert _number("same class in Keras and TFLM: ([\\d.]+)%", printed) >= 95
        assert (folder / "firmware" / "main.cc").is_file()


def _joint(printed: str, folder: Path) -> None:
    assert _number(r"macs: decided ([\d.]+)%", printed) <= 30
    assert _accuracy(printed) > 0.3
    assert _number(r"simulation and file: ([\d.]+)%", printed) > 99
    assert _number(r"one integer step apart: ([\d.]+)%", printed) > 99


def _ram(printed: str, folder: Path) -> None:
    assert _accuracy(printed) > 0.3
    assert _number(r"\nflash ([\d,]+) bytes, asked for 20 KiB", printed) <= 20 * 1024
    if has_tflm():
        assert _number(r"\narena ([\d,]+) bytes, asked for 6 KiB", printed) <= 6 * 1024


def _own_estimator(printed: str, folder: Path) -> None:
    assert _number(r"macs: decided ([\d.]+)%", printed) <= 30
    assert _error(printed, "reloaded") == 0.0
    assert _error(printed, "stripped") < 1e-4
    assert _number(r"\naccuracy ([\d.]+)%", printed) > 50


def _own_layer(printed: str, folder: Path) -> None:
    assert "keras_diffmask.graph.register(Affine)" in printed
    assert _error(printed, "stripped") < 1e-5


def _vgg(printed: str, folder: Path) -> None:
    accuracy = dict(re.findall(r"(\w+): accuracy ([\d.]+)%", printed))
    assert accuracy["masked"] == accuracy["stripped"] and "dense" in accuracy


def _on_device(printed: str, folder: Path) -> None:
    assert _number(r"foretold ([\d.]+)", printed) <= 0.5
    # It is asked for half; a busy neighbour may blur that, not turn it round.
    assert _number(r"measured ([\d.]+) \(", printed) < 1
    assert {file.name for file in folder.iterdir()} == {
        "benchmark.json",
        "dense.tflite",
        "latency.json",
        "pruned.tflite",
    }


#: Example -> arguments of a short form, how many .tflite files it leaves, and what
#: has to be true of what it printed.
_SHORT: dict[str, tuple[list[str], int, Callable[[str, Path], None]]] = {
    "benchmark_on_device.py": (["--quick", "--epochs", "2"], 2, _on_device),
    "joint_quantization.py": (["--epochs", "4"], 1, _joint),
    "own_estimator.py": (["--epochs", "4"], 0, _own_estimator),
    "own_layer.py": ([], 0, _own_layer),
    "prune_lstm.py": (["--epochs", "6"], 1, _lstm),
    "prune_pretrained.py": (["--quick", "--epochs", "4"], 1, _pretrained),
    "prune_vgg_operation_aware.py": (["--quick"], 0, _vgg),
    "quick_start.py": (["--epochs", "3"], 1, _quick_start),
    "ram_budget.py": (["--epochs", "6"], 1, _ram),
}
#: They train on one device and on two, and print how far apart that is.
_DISTRIBUTED = (
    "distributed_jax.py",
    "distributed_mirrored.py",
    "distributed_multi_worker.py",
)


def test_every_example_is_run_and_in_the_table() -> None:
    examples = {path.name for path in _EXAMPLES.glob("*.py")}
    assert examples == {*_SHORT, *_DISTRIBUTED}
    table = (_EXAMPLES / "README.md").read_text("utf-8")
    files = {path.name for path in _EXAMPLES.iterdir() if path.suffix != ".md"}
    named = re.findall(r"^\| \[(\S+)\]\((\S+)\) \|", table, re.MULTILINE)
    assert {name for name, _ in named} == files - {"__pycache__"}
    assert all(name == link for name, link in named)


def test_every_example_is_short() -> None:
    lengths = {p.name: len(p.read_text().splitlines()) for p in _EXAMPLES.glob("*.py")}
    assert max(lengths.values()) < 120, lengths


def _run(name: str, arguments: list[str], folder: Path) -> Any:
    run = subprocess.run(
        [sys.executable, str(_EXAMPLES / name), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(_SHORT))
def test_example_runs(name: str, tmp_path: Path) -> None:
    arguments, files, check = _SHORT[name]
    printed = _run(name, arguments, tmp_path).stdout
    assert len(list(tmp_path.glob("*.tflite"))) == files
    check(printed, tmp_path)


@pytest.mark.slow
def test_notebook_runs_from_the_first_cell_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((_EXAMPLES / "quick_start.ipynb").read_text("utf-8"))
    names: dict = {}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        assert not cell["outputs"] and cell["execution_count"] is None
        source = "".join(cell["source"]).replace("EPOCHS = 20", "EPOCHS = 3")
        exec(compile(source, f"cell {number}", "exec"), names)
    assert names["EPOCHS"] == 3
    _same_as_the_script(capsys.readouterr().out, names, tmp_path)


def _same_as_the_script(printed: str, names: dict, folder: Path) -> None:
    _quick_start(printed, folder)
    assert names["history"]["budget_met"][-1] == 1
    assert names["result"].ratio("pruned", "dense")


@pytest.mark.slow
@pytest.mark.parametrize("name", _DISTRIBUTED)
def test_two_devices_train_like_one_with_the_same_gates(
    name: str, tmp_path: Path
) -> None:
    printed = _run(name, ["--epochs", "2"], tmp_path).stdout
    steps = re.findall(r"same gates (?:in|on) every \w+ after (\d+) of (\d+)", printed)
    assert steps and all(same == total == "40" for same, total in steps)
    one, two = re.findall(r"^\d \S+: loss (.*)$", printed, re.MULTILINE)
    losses = [[float(loss) for loss in line.split()] for line in (one, two)]
    assert len(losses[0]) == 2
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    difference = re.search(r"between the losses: ([\d.e+-]+)", printed)
    assert difference and float(difference[1]) < 1e-4
