"""Trainings that are found again, with their networks and the files of these."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.families import Family, family_for
from keras_diffmask.export.evidence.kept import Kept
from keras_diffmask.export.evidence.peers.peer import PEERS
from keras_diffmask.export.evidence.pruning import files
from keras_diffmask.export.evidence.pruning.latency import measure_latency
from keras_diffmask.export.evidence.pruning.methods import METHODS
from keras_diffmask.export.evidence.pruning.training import (
    Trained,
    Wanted,
    begin,
    finish,
)
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures

QUICK_EPOCHS, QUICK_EXAMPLES = 2, 100


class Trainings:
    """All trainings of one seed; every table takes from them what it shows.

    Args:
        settings: what to do; the data in `data_dir`, by default the digits of
            scikit-learn, say which network it is.
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
        self._is_quick = settings.quick
        self._label = f"seed {seed + 1} of {seeds}"
        self.family = family_for(settings.data_dir)
        self.recipe = recipe_of(settings, self.family)
        self.data = datasets.load_in_phase(
            reporter,
            "reading data",
            None,
            settings.data_dir,
            self.family.task,
            seed=seed,
            limit=QUICK_EXAMPLES if settings.quick else None,
        )

    def figures(self, method: str, share: float) -> Figures:
        """Of one training, which is done if it was not.

        Args:
            method: one of `methods.METHODS` or `peers.PEERS`.
            share: MACs that may be left, of the dense network's.
        """
        train_it = functools.partial(self._train, method, share)
        return self._kept.figures(self._about(method, share), train_it)

    def model(self, method: str, share: float) -> keras.Model:
        """The stripped network of a training, which is done if it is not there."""
        train_it = functools.partial(self._train, method, share)
        return self._kept.model(self._about(method, share), train_it)

    def _train(self, method: str, share: float, unfinished: Path) -> Trained:
        wanted, begun, turn = self._wanted(method, share), None, 0
        if method not in PEERS:
            begun, turn = self._begun(method, share), wanted.task.turn
        label = f"{self._label}: {method} at {share:.0%}"
        with self._reporter.phase(label, self.recipe.epochs - turn) as advance:
            return finish(wanted, begun, unfinished, advance)

    def _begun(self, method: str, share: float) -> Trained:
        """The first half of a training, which others may have in common with it."""
        name, first = method, METHODS[method].first
        of = self._method(method, share)
        if first is not None:
            name, share, of = first, 1.0, {"method": first}
        wanted = self._wanted(method, share)

        def train_it(unfinished: Path) -> Trained:
            label = f"{self._label}: {name} at {share:.0%}, first half"
            with self._reporter.phase(label, wanted.task.turn) as advance:
                return begin(wanted, unfinished, advance)

        about = self._key(f"{self.family.name}, first half", **of)
        model = self._kept.model(about, train_it)
        return model, self._kept.figures(about, train_it)

    def _wanted(self, method: str, share: float) -> Wanted:
        return Wanted(method, share, self.family, self.data, self.recipe, self._seed)

    def file(self, method: str, share: float, name: str) -> Figures:
        """Of the network as a .tflite file.

        Args:
            method: as for `figures`.
            share: as for `figures`.
            name: of the file, as for `files.measure`.
        """

        def make(_: Path) -> Figures:
            model, file = self.model(method, share), self.artifact(method, share, name)
            label = f"{self._label}: {method} at {share:.0%} as a file, {name}"
            with self._reporter.phase(label) as advance:
                found = files.measure(file, model, name, self.data)
                advance(f"{found['bytes']:,} bytes")
            return found

        return self._kept.runs.once({**self._about(method, share), "file": name}, make)

    def artifact(self, method: str, share: float, name: str) -> Artifact:
        """The .tflite file of a network, which lies beside its figures.

        Args:
            method: as for `figures`.
            share: as for `figures`.
            name: of the file, as for `files.convert`.
        """
        about = {**self._about(method, share), "file": name}
        path = self._kept.runs.path(about).with_suffix(".tflite")
        if path.exists():
            return Artifact.load(path)
        model = self.model(method, share)
        label = f"{self._label}: {method} at {share:.0%} converted, {name}"
        with self._reporter.phase(label) as advance:
            file = files.convert(model, name, self.data)
            advance("")
        file.save(path)
        return file

    def latency(
        self, wanted: Sequence[tuple[str, float]], names: Sequence[str]
    ) -> Figures:
        """Of several networks on this computer, all in one run.

        Args:
            wanted: (method, share), as for `figures`; the first is what the others
                are compared with.
            names: of their files, as for `file`.

        Returns:
            As `measure_latency`.
        """

        def make(_: Path) -> Figures:
            timed = {
                (method, name): self.artifact(method, share, name)
                for method, share in wanted
                for name in names
            }
            label = f"{self._label}: latency of {len(timed)} files in turns"
            with self._reporter.phase(label) as advance:
                found = measure_latency(timed, wanted[0][0], self._is_quick)
                advance("")
            return found

        networks = [self._method(*one) for one in wanted]
        about = self._key(self.family.name, latency=networks, files=names)
        return self._kept.runs.once(about, make)

    def _method(self, method: str, share: float) -> dict:
        of = PEERS if method in PEERS else METHODS
        settings = of[method].settings
        about = {"method": method, "share": share}
        return {**about, "settings": settings} if settings else about

    def _about(self, method: str, share: float) -> dict:
        return self._key(self.family.name, **self._method(method, share))

    def _key(self, evidence: str, **more: Any) -> dict:
        return keyed.about(evidence, self.data, self.recipe, self._seed, **more)


def recipe_of(settings: Settings, family: Family) -> Recipe:
    """How every network of a family is trained."""
    usual = QUICK_EPOCHS if settings.quick else family.recipe.epochs
    return dataclasses.replace(family.recipe, epochs=settings.epochs or usual)


def seeds_of(settings: Settings, usual: int) -> int:
    """How many seeds are trained."""
    return settings.seeds or (1 if settings.quick else usual)
