"""Trainings that are found again, with the network that each of them gave."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_diffmask.export.model_io import load_model, save_model
from keras_diffmask.export.runs import Figures, Runs

#: Trains; gets a folder for what it needs to go on after an interruption.
Train = Callable[[Path], tuple[keras.Model, Figures]]


class Kept:
    """A folder of `Runs`, where beside the figures lies the stripped network.

    So a table may measure more of a network than an earlier one did.

    Args:
        folder: where the files are; made if its parent exists.
    """

    def __init__(self, folder: Path) -> None:
        self.runs = Runs(folder)

    def figures(self, about: dict[str, Any], train: Train) -> Figures:
        """The figures of a training, which is done if it was not.

        Args:
            about: all that they depend on, as plain data.
            train: does the training.
        """

        def make(unfinished: Path) -> Figures:
            model, figures = train(unfinished)
            save_model(model, self._network(about))
            return figures

        return self.runs.once(about, make)

    def model(self, about: dict[str, Any], train: Train) -> keras.Model:
        """The network of a training.

        Where only its figures are left, the training is done again, and its
        figures are those of the new network.
        """
        if not self._network(about).exists():
            self.runs.path(about).unlink(missing_ok=True)
        self.figures(about, train)
        return load_model(self._network(about))

    def _network(self, about: dict[str, Any]) -> Path:
        return self.runs.path(about).with_suffix(".keras")
