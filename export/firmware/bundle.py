"""Writes the folder, whole or not at all."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_diffmask.atomic import write_folder_atomically
from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.firmware import sources
from keras_diffmask.export.firmware.arena import arena_size
from keras_diffmask.export.firmware.cxx import identifier
from keras_diffmask.export.firmware.golden import make_golden
from keras_diffmask.export.firmware.op_methods import methods
from keras_diffmask.export.firmware.program import MAKEFILE, main_program
from keras_diffmask.export.firmware.readme import readme
from keras_diffmask.export.hybrid import check_no_hybrid

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Artifact

# By these a folder is known as one of ours, which may be replaced.
_MARKS = ("model_data.cc", "model_settings.h", "op_resolver.h")
# And all that it may hold then: what is written here, and what `make` makes of it.
_OURS = {
    *(*_MARKS, "model_data.h", "golden.h", "golden.cc", "main.cc"),
    *("Makefile", "README.md", "golden_test"),
}


def save_firmware(
    artifact: "Artifact",
    path: str | os.PathLike,
    golden: Any = None,
    arena_bytes: int | None = None,
    force: bool = False,
) -> Path:
    """Writes the bundle of a model; see `Artifact.save_firmware`."""
    path = Path(path)
    _check_place(path, force)
    texts = _texts(artifact, golden, arena_bytes)
    try:
        _write(path, texts)
    except OSError as error:
        raise ArtifactError(
            "a folder that can be written",
            f"{str(path)!r} ({error.strerror or error})",
            "Choose a name in an existing directory you may write to.",
        ) from error
    return path


def _texts(
    artifact: "Artifact", golden: Any, arena_bytes: int | None
) -> dict[str, str]:
    """File name -> content."""
    calls = methods(artifact.all_ops)
    check_no_hybrid(artifact.content, "a microcontroller")
    space = identifier(artifact.name)
    arena = arena_size(artifact.content, arena_bytes)
    example = make_golden(artifact, golden)
    return {
        **sources.model_data(artifact, space),
        **sources.settings(artifact, space, arena),
        **sources.op_resolver(calls, space),
        **sources.golden(example, space),
        "main.cc": main_program(artifact, space),
        "Makefile": MAKEFILE,
        "README.md": readme(artifact, space, arena, example),
    }


def _check_place(path: Path, force: bool) -> None:
    if not path.exists():
        return
    if not force:
        raise ArtifactError(
            "a folder that does not exist yet",
            f"{str(path)!r}, which does",
            "Choose another name, or replace it with force=True (in a shell, --force).",
        )
    if not path.is_dir() or (
        any(path.iterdir()) and not all((path / mark).is_file() for mark in _MARKS)
    ):
        raise ArtifactError(
            "a folder that save_firmware wrote, or an empty one, with force=True",
            f"{str(path)!r}, which is something else",
            "Choose another name; nothing was changed.",
        )
    if strangers := sorted(e.name for e in path.iterdir() if _is_strange(e)):
        raise ArtifactError(
            "a folder that holds only what save_firmware and its Makefile write, with "
            "force=True",
            f"{', '.join(map(repr, strangers[:5]))} in {str(path)!r}",
            "Move that away, or choose another name; nothing was changed.",
        )


def _is_strange(entry: Path) -> bool:
    return not entry.is_file() or (entry.name not in _OURS and entry.suffix != ".o")


def _write(path: Path, texts: dict[str, str]) -> None:
    def fill(folder: Path) -> None:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    write_folder_atomically(path, fill)
