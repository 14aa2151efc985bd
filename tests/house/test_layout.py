"""The shape of the repository: packages, top level, sizes, leftovers."""

import configparser
import os
import re
from pathlib import Path

import pytest

TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "docs",
    "examples",
    "export",
    "keras_diffmask",
    "pyproject.toml",
    "setup.cfg",
    "tests",
}
LONGEST_FILE = 300
MACHINE_PATH = re.compile(r"(^|[^A-Za-z0-9_.])/(work|farm|tmp|root|home|Users|opt)/")
UNFINISHED = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]))


def packages_on_disk(root: Path) -> set[str]:
    """The packages as imported: `export/` counts as `keras_diffmask.export`."""
    training = (root / "keras_diffmask").rglob("__init__.py")
    found = {
        init.parent.relative_to(root)
        for init in training
        if "export" not in init.relative_to(root).parts
    }
    leaving = (root / "export").rglob("__init__.py")
    found |= {"keras_diffmask" / init.parent.relative_to(root) for init in leaving}
    return {".".join(folder.parts) for folder in found}


def sources(names: list[str]) -> list[str]:
    return [n for n in names if re.fullmatch(r"(keras_diffmask|export)/.*\.py", n)]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_setup_cfg_lists_every_package(
    root: Path, setup_cfg: configparser.ConfigParser
) -> None:
    listed = setup_cfg["options"]["packages"].split()
    on_disk = packages_on_disk(root)
    assert len(listed) == len(set(listed))
    assert set(listed) == on_disk, (
        "`packages` in setup.cfg and the folders with an __init__.py differ: "
        f"add {sorted(on_disk - set(listed))}, "
        f"remove {sorted(set(listed) - on_disk)}."
    )


def test_every_folder_of_modules_is_a_package(
    root: Path, repository_files: list[str]
) -> None:
    folders = {os.path.dirname(name) for name in sources(repository_files)}
    orphans = [f for f in sorted(folders) if not (root / f / "__init__.py").exists()]
    assert not orphans, f"No wheel would hold these, add an __init__.py: {orphans}."


def test_export_is_linked_into_the_package(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("an sdist holds no symbolic link; the mapping in setup.cfg does")
    link = root / "keras_diffmask" / "export"
    assert link.is_symlink(), (
        "keras_diffmask/export should be a symbolic link to ../export. This "
        "checkout lost it (git config core.symlinks; Windows): install the wheel."
    )
    assert os.readlink(link) == os.path.join("..", "export")


def test_wheel_maps_export_into_the_package(
    setup_cfg: configparser.ConfigParser,
) -> None:
    lines = setup_cfg["options"]["package_dir"].split("\n")
    assert "keras_diffmask.export = export" in lines


def test_top_level_holds_nothing_else(repository_files: list[str]) -> None:
    names = {name.split("/")[0] for name in repository_files}
    strangers = {name for name in names - TOP_LEVEL if not name.startswith(".")}
    assert not strangers, f"Not at the top level: {sorted(strangers)}."


def test_no_file_is_two_files(root: Path, repository_files: list[str]) -> None:
    lengths = {n: text_of(root / n).count("\n") for n in sources(repository_files)}
    long = {name: length for name, length in lengths.items() if length > LONGEST_FILE}
    assert not long, f"Over {LONGEST_FILE} lines, split: {long}."


@pytest.mark.parametrize("pattern", [MACHINE_PATH, UNFINISHED], ids=lambda p: p.pattern)
def test_no_leftovers(
    root: Path, repository_files: list[str], pattern: re.Pattern[str]
) -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name in repository_files
        if (root / name).is_file()
        for number, line in enumerate(text_of(root / name).splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_tests_are_no_packages(repository_files: list[str]) -> None:
    packages = [n for n in repository_files if re.match(r"tests/.*__init__\.py$", n)]
    assert not packages, f"pytest's importlib mode wants none: {packages}."
