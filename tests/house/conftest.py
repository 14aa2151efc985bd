"""What the house tests share: where the repository is and what it holds."""

import configparser
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top level of the repository, or of the unpacked sdist."""
    return ROOT


@pytest.fixture(scope="session")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="session")
def repository_files() -> list[str]:
    """What git tracks or would track; in an unpacked sdist, all there is."""
    if (ROOT / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        names = [name for name in listing.split("\0") if name]
        return sorted(name for name in names if os.path.lexists(ROOT / name))
    return sorted(
        name.as_posix()
        for path in ROOT.rglob("*")
        if path.is_file() and not _is_generated(name := path.relative_to(ROOT))
    )


@pytest.fixture(scope="session")
def copy_repository(repository_files: list[str]) -> Callable[[Path], Path]:
    """Makes a copy to build in or to break: links stay links."""

    def copy(folder: Path) -> Path:
        for name in repository_files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
        return folder

    return copy


def _is_generated(path: Path) -> bool:
    return any(
        part in {"__pycache__", "build", "dist", "PKG-INFO"}
        or part.endswith((".egg-info", "_cache"))
        or part.startswith((".venv", ".coverage", ".hypothesis"))
        for part in path.parts
    )
