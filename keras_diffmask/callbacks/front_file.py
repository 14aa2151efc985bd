"""A folder with one model per budget, and the list of them."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import ArtifactError, InvalidArgumentError

FORMAT = "keras_diffmask.front/1"
NAME = "front.json"


@dataclass(frozen=True)
class ParetoRow:
    """The best network so far that meets one budget.

    Attributes:
        budget: the budget, as text.
        score: what was monitored.
        epoch: at whose end it was found, counted from 0.
        costs: name -> cost of the stripped model as a fraction of the dense
            one's, of every cost that the model's own budget names.
        path: the file of the masked model, with its gates decided.
    """

    budget: str
    score: float
    epoch: int
    costs: dict[str, float]
    path: Path


def read(folder: Path, about: Mapping[str, Any]) -> dict[str, ParetoRow]:
    """Rows by budget, of what lies in a folder; none where nothing does.

    Args:
        folder: where the list is; made if its parent exists.
        about: what the front is of; another one is refused.

    Raises:
        InvalidArgumentError: the folder holds the front of something else.
        ArtifactError: it cannot be made, or the list in it cannot be read.
    """
    try:
        folder.mkdir(exist_ok=True)
        text = (folder / NAME).read_text()
    except FileNotFoundError as error:
        if folder.is_dir():
            return {}
        raise _unusable(folder, error) from error
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        held = json.loads(text)
        known, rows = held["about"], [ParetoRow(**row) for row in held["rows"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"the list of a front in {str(folder / NAME)!r}",
            f"a file that cannot be read ({type(error).__name__})",
            "Delete it, or choose another folder.",
        ) from error
    if known != about:
        raise InvalidArgumentError(
            "a folder that is empty, or holds a front of this model and metric",
            f"{str(folder)!r} with that of another",
            "Choose another folder, or empty this one.",
        )
    found = {row.budget: folder / row.path for row in rows}
    return {
        row.budget: ParetoRow(**{**asdict(row), "path": found[row.budget]})
        for row in rows
        if found[row.budget].exists()
    }


def write(
    folder: Path, about: Mapping[str, Any], rows: Mapping[str, ParetoRow]
) -> None:
    """Write the list, whole or not at all."""
    listed = [{**asdict(row), "path": row.path.name} for row in rows.values()]
    held = {"format": FORMAT, "about": about, "rows": listed}
    text = json.dumps(held, indent=1) + "\n"
    write_atomically(folder / NAME, lambda file: file.write_text(text))


def save(model: keras.Model, folder: Path, budget: str) -> Path:
    """Save the model under the name of a budget, whole or not at all."""
    stem = re.sub(r"[^\w.]+", "_", budget)
    return write_atomically(folder / f"{stem}.keras", model.save)


def _unusable(folder: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        "a folder for the front that can be made or written",
        f"{str(folder)!r} ({error.strerror or error})",
        "Choose one in an existing directory you may write to.",
    )
