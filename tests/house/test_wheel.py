"""What leaves the house: wheel and sdist, built and installed."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, into: Path, *what: str) -> None:
    tool = (sys.executable, "-m", "build", "--no-isolation", "--outdir")
    run(*tool, into, *what, cwd=source)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def source(
    tmp_path_factory: pytest.TempPathFactory, copy_repository: Callable[[Path], Path]
) -> Path:
    """A copy of the sources, with what an earlier build may have left in it."""
    copy = copy_repository(tmp_path_factory.mktemp("source"))
    leftover = copy / "build" / "lib" / "keras_diffmask" / "deleted_since.py"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build(source, folder, "--wheel")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def sdist_and_its_wheel(
    source: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sdist")
    build(source, folder)  # with no option: an sdist, then a wheel out of it
    (sdist,) = folder.glob("*.tar.gz")
    (built,) = folder.glob("*.whl")
    return sdist, built


def expected_modules(repository_files: list[str]) -> set[str]:
    training = {n for n in repository_files if n.startswith("keras_diffmask/")}
    leaving = {
        "keras_diffmask/" + n for n in repository_files if n.startswith("export/")
    }
    return {name for name in training | leaving if name.endswith((".py", ".c"))}


def test_wheel_holds_the_package_and_nothing_else(
    wheel: Path, repository_files: list[str]
) -> None:
    names = set(contents(wheel))
    package = {name for name in names if name.startswith("keras_diffmask/")}
    assert package == expected_modules(repository_files) | {"keras_diffmask/py.typed"}
    (info,) = {name.split("/")[0] for name in names - package}
    assert info.endswith(".dist-info")
    assert f"{info}/licenses/LICENSE" in names or f"{info}/LICENSE" in names


def test_wheel_is_pure_and_names_its_command(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    (points,) = (
        v for k, v in contents(wheel).items() if k.endswith("entry_points.txt")
    )
    assert b"keras-diffmask = keras_diffmask.export.cli:main" in points


def test_sdist_gives_the_same_wheel(
    wheel: Path, sdist_and_its_wheel: tuple[Path, Path]
) -> None:
    assert contents(sdist_and_its_wheel[1]) == contents(wheel)


def test_sdist_holds_all_but_the_dotfiles(
    sdist_and_its_wheel: tuple[Path, Path], repository_files: list[str]
) -> None:
    with tarfile.open(sdist_and_its_wheel[0]) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        name
        for name in repository_files
        if name != "keras_diffmask/export"  # the link, which no archive needs
        and ("/" in name or not name.startswith("."))
    }
    assert wanted - held == set()


def test_nothing_is_left_in_the_sources(source: Path, wheel: Path) -> None:
    assert not (source / "build").exists()


def test_installed_wheel_imports_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", target, wheel, cwd=tmp_path)
    assert not (target / "export").exists()
    script = (
        "import importlib.metadata, keras_diffmask\n"
        "from keras_diffmask import export\n"
        "assert importlib.metadata.version('keras-diffmask') "
        "== keras_diffmask.__version__\n"
        "print(keras_diffmask.__file__, export.__file__, export.__name__)"
    )
    environment = {"PYTHONPATH": str(target), "KERAS_BACKEND": "jax"}
    out = run(sys.executable, "-c", script, cwd=tmp_path, **environment)
    package = target / "keras_diffmask"
    wing = package / "export"
    assert out.split() == [
        str(package / "__init__.py"),
        str(wing / "__init__.py"),
        "keras_diffmask.export",
    ]
