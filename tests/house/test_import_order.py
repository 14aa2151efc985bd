"""The one-way order of the rooms, as import-linter reads it from setup.cfg."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def copy_of_repository(tmp_path: Path, copy_repository: Callable[[Path], Path]) -> Path:
    return copy_repository(tmp_path / "repository")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_imports_run_one_way(copy_of_repository: Path) -> None:
    done = lint(copy_of_repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("keras_diffmask/gate.py", "from keras_diffmask import layers", "training"),
        ("keras_diffmask/gate.py", "from keras_diffmask import export", "training"),
        ("keras_diffmask/gate.py", "import tensorflow", "keras.ops only"),
        ("export/litert.py", "from keras_diffmask.export import artifact", "wing"),
        ("keras_diffmask/nowhere.py", "", "training"),
    ],
)
def test_a_wrong_import_is_caught(
    copy_of_repository: Path, module: str, line: str, contract: str
) -> None:
    with open(copy_of_repository / module, "a") as file:
        file.write(f"\n{line}\n")
    done = lint(copy_of_repository)
    assert done.returncode == 1
    broken = [row for row in done.stdout.splitlines() if " BROKEN" in row]
    assert any(contract in row for row in broken), done.stdout
