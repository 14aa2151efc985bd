"""Every example runs as a user would run it, in a short form."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
#: Example -> arguments of a short form, and how many .tflite files it leaves.
_SHORT = {
    "own_layer.py": ([], 0),
    "prune_digits.py": (["--epochs", "2"], 1),
    "prune_lstm.py": (["--epochs", "2"], 1),
    "prune_vgg_operation_aware.py": (["--quick"], 0),
}


def test_every_example_is_run() -> None:
    assert {path.name for path in (_ROOT / "examples").glob("*.py")} == set(_SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(_SHORT))
def test_example_runs(name: str, tmp_path: Path) -> None:
    arguments, files = _SHORT[name]
    run = subprocess.run(
        [sys.executable, str(_ROOT / "examples" / name), *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
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
