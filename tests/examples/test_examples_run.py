"""Every example runs as a user would run it, in a short form."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SHORT = {
    "prune_digits.py": ["--epochs", "2"],
    "prune_lstm.py": ["--epochs", "2"],
}


def test_every_example_is_run() -> None:
    assert {path.name for path in (_ROOT / "examples").glob("*.py")} == set(_SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(_SHORT))
def test_example_runs(name: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(_ROOT / "examples" / name), *_SHORT[name]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "int8 accuracy" in run.stdout
    assert len(list(tmp_path.glob("*.tflite"))) == 1
