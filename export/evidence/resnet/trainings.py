"""Trainings that are found again, with their networks and the files of these."""

import dataclasses
import functools
from pathlib import Path

import keras

from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.kept import Kept
from keras_diffmask.export.evidence.resnet import files
from keras_diffmask.export.evidence.resnet.training import train
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures

NAME = "resnet8"
RECIPE = Recipe(10, 64, 2e-3)
QUICK_EPOCHS, QUICK_EXAMPLES = 2, 100


class Trainings:
    """All trainings of one seed; every table takes from them what it shows.

    Args:
        settings: what to do; the images are those in `data_dir`, by default the
            digits of scikit-learn.
        seed: of weights, batches and gates.
        seeds: how many there are, for what is written.
        reporter: shows the progress.

    Raises:
        DiffmaskError: the data or the folder cannot be used.
    """

    def __init__(
        self, settings: Settings, seed: int, seeds: int, reporter: Reporter
    ) -> None:
        self._kept = Kept(results_folder(settings.out) / "runs")
        self._seed, self._reporter = seed, reporter
        self._label = f"seed {seed + 1} of {seeds}"
        self.recipe = recipe_of(settings)
        self.data = datasets.load_in_phase(
            reporter,
            "reading images",
            None,
            settings.data_dir,
            "image",
            seed=seed,
            limit=QUICK_EXAMPLES if settings.quick else None,
        )

    def figures(self, method: str, share: float) -> Figures:
        """Of one training, which is done if it was not.

        Args:
            method: one of `methods.METHODS`.
            share: MACs that may be left, of the dense network's.
        """
        train_it = functools.partial(self._train, method, share)
        return self._kept.figures(self._about(method, share), train_it)

    def model(self, method: str, share: float) -> keras.Model:
        """The stripped network of a training, which is done if it is not there."""
        train_it = functools.partial(self._train, method, share)
        return self._kept.model(self._about(method, share), train_it)

    def _train(
        self, method: str, share: float, unfinished: Path
    ) -> tuple[keras.Model, Figures]:
        label = f"{self._label}: {method} at {share:.0%}"
        given = self.data, self.recipe, self._seed, unfinished, label, self._reporter
        return train(method, share, *given)

    def file(self, method: str, share: float, name: str) -> Figures:
        """Of the network as a .tflite file.

        Args:
            method: as for `figures`.
            share: as for `figures`.
            name: of the file, as for `files.measure`.
        """

        def make(_: Path) -> Figures:
            label = f"{self._label}: {method} at {share:.0%} as a file, {name}"
            model = self.model(method, share)
            with self._reporter.phase(label) as advance:
                found = files.measure(model, name, self.data)
                advance(f"{found['bytes']:,} bytes")
            return found

        return self._kept.runs.once({**self._about(method, share), "file": name}, make)

    def _about(self, method: str, share: float) -> dict:
        return keyed.about(
            NAME, self.data, self.recipe, self._seed, method=method, share=share
        )


def recipe_of(settings: Settings) -> Recipe:
    """How every network is trained. The recipe is the demo's."""
    epochs = settings.epochs or (QUICK_EPOCHS if settings.quick else RECIPE.epochs)
    return dataclasses.replace(RECIPE, epochs=epochs)


def seeds_of(settings: Settings, usual: int) -> int:
    """How many seeds are trained."""
    return settings.seeds or (1 if settings.quick else usual)
