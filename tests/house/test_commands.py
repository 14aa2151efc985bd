"""The README's two commands, as .ci/run reads them."""

import subprocess
from pathlib import Path

import pytest


def read(root: Path, marker: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / ".ci" / "readme-command", marker],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("marker", "extra", "program"),
    [
        ("demo-command", '".[demo]"', ".venv/bin/keras-diffmask demo"),
        ("test-command", '-e ".[test]"', ".venv/bin/python -m pytest"),
    ],
)
def test_one_line_from_a_bare_python(
    root: Path, marker: str, extra: str, program: str
) -> None:
    command = read(root, marker).stdout
    assert command.count("\n") == 1
    make, install, use = command.strip().split(" && ")
    assert make == "python3 -m venv .venv"
    assert install == f".venv/bin/pip install {extra}"
    assert use.startswith(program)


def test_missing_command_is_a_sentence(root: Path) -> None:
    answer = read(root, "no-such-command")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr == (
        "Expected one sh block with one line under <!-- no-such-command --> in "
        "README.md; found 0 lines.\n"
    )
