"""Every example runs as a user would run it, in a short form."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
#: Example -> arguments of a short form, and how many .tflite files it leaves.
_SHORT = {
    "own_layer.py": ([], 0),
    "prune_digits.py": (["--epochs", "2"], 1),
    "prune_lstm.py": (["--epochs", "2"], 1),
    "prune_vgg_operation_aware.py": (["--quick"], 0),
}
#: They train on one device and on two, and print how far apart that is.
_DISTRIBUTED = (
    "distributed_jax.py",
    "distributed_mirrored.py",
    "distributed_multi_worker.py",
)


def test_every_example_is_run() -> None:
    examples = {path.name for path in (_ROOT / "examples").glob("*.py")}
    assert examples == {*_SHORT, *_DISTRIBUTED}


def _run(name: str, arguments: list[str], folder: Path) -> Any:
    run = subprocess.run(
        [sys.executable, str(_ROOT / "examples" / name), *arguments],
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
    arguments, files = _SHORT[name]
    run = _run(name, arguments, tmp_path)
    assert len(list(tmp_path.glob("*.tflite"))) == files
    if files:
        assert "int8 accuracy" in run.stdout
    elif name == "prune_vgg_operation_aware.py":
        accuracy = dict(re.findall(r"(\w+): accuracy ([\d.]+)%", run.stdout))
        assert accuracy["masked"] == accuracy["stripped"] and "dense" in accuracy
    else:
        assert "keras_diffmask.graph.register(Affine)" in run.stdout
        error = re.search(r"masked and stripped: ([\d.e+-]+)", run.stdout)
        assert error and float(error[1]) < 1e-5


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
