"""Trainings of LeNets that are found again, and what else is asked of them."""

import functools
from pathlib import Path

import keras

from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.kept import Kept
from keras_diffmask.export.evidence.lenet import images
from keras_diffmask.export.evidence.lenet.transfer import error_of_features
from keras_diffmask.export.evidence.lenet.trial import run_trial
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.runs import Figures

NAME = "lenet"


class Trainings:
    """All trainings of one seed.

    Args:
        settings: what to do.
        kept: where the trainings are kept.
        recipe: how to train.
        seed: of weights, batches and gates.
        label: what to write before each phase.
        reporter: shows the progress.

    Raises:
        DiffmaskError: the data cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        kept: Kept,
        recipe: Recipe,
        seed: int,
        label: str,
        reporter: Reporter,
    ) -> None:
        self._kept, self._recipe, self._seed = kept, recipe, seed
        self._label, self._reporter = label, reporter
        self.data, self.other = images.load(settings, seed, reporter)

    def figures(self, network: str, rule: str) -> Figures:
        """Of one training, which is done if it was not."""
        train = functools.partial(self._train, network, rule)
        return self._kept.figures(self._about(network, rule), train)

    def features_error(self, network: str, rule: str) -> float | None:
        """Of frozen features on the other images; None where there are none."""
        if self.other is None:
            return None
        other, about = self.other, self._about(network, rule)
        train = functools.partial(self._train, network, rule)

        def measure(_: Path) -> Figures:
            with self._reporter.phase(
                f"{self._label}: features of {network}, {rule}"
            ) as advance:
                model = self._kept.model(about, train)
                error = error_of_features(model, other, self._seed)
                advance(f"error {error:.2%}")
            return {"error": error}

        found = self._kept.runs.once({**about, "features": other.name}, measure)
        return float(found["error"])

    def _train(
        self, network: str, rule: str, unfinished: Path
    ) -> tuple[keras.Model, Figures]:
        return run_trial(
            network,
            rule,
            self.data,
            self._recipe,
            self._seed,
            unfinished,
            f"{self._label}: {network}, {rule}",
            self._reporter,
        )

    def _about(self, network: str, rule: str) -> dict:
        return keyed.about(
            NAME, self.data, self._recipe, self._seed, network=network, rule=rule
        )
