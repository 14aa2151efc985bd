"""One atomic writer for both wings: a file is there whole, or as it was."""

import os
from pathlib import Path

import pytest

from keras_diffmask.atomic import write_atomically, write_folder_atomically
from keras_diffmask.errors import ArtifactError


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list.json"
    assert write_atomically(path, lambda file: file.write_text("old")) == path

    def half(file: Path) -> None:
        file.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_an_interrupt_between_the_renames_leaves_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    path = tmp_path / "fw"
    path.mkdir()
    (path / "old").touch()
    rename, left = os.rename, [moves]

    def interrupted(source: Path, target: Path) -> None:
        # Before the first, between the two, after the second; back goes as ever.
        if left[0] == 0:
            left[0] = -1
            raise KeyboardInterrupt
        left[0] -= 1
        rename(source, target)
        if moves == 2 and left[0] == 0:
            left[0] = -1
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_folder_atomically(path, lambda made: (made / "new").touch())
    assert [file.name for file in path.iterdir()] == ["new" if moves == 2 else "old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="a path that can be written.*No such"):
        write_atomically(tmp_path / "no" / "list.json", Path.touch)


def test_nobody_else_puts_a_file_in_the_place_of_another() -> None:
    """Tables, fronts, pictures, artifacts and runs all go through that one."""
    root = Path(__file__).parent.parent
    sources = [
        *(root / "keras_diffmask").rglob("*.py"),
        *(root / "export").rglob("*.py"),
    ]
    words = ("os.replace(", ".rename(", "draft.replace(")
    found = {path.name for path in sources if any(w in path.read_text() for w in words)}
    assert found == {"atomic.py"}
