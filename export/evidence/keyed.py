"""What a training of the evidence is known by, and what its report says of it."""

import dataclasses
from typing import Any

import keras

from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.report import data_facts


def about(evidence: str, data: Dataset, recipe: Any, seed: int, **more: Any) -> dict:
    """All that the figures of a training depend on, for `Runs.once`.

    Args:
        evidence: name of the evidence.
        data: the data set.
        recipe: how to train, a dataclass.
        seed: seed of weights, batches and gates.
        **more: what tells the trainings of one evidence apart.
    """
    return {"evidence": evidence, **more, "seed": seed, **_shared(data, recipe)}


def facts(data: Dataset, recipe: Any, seeds: int) -> dict[str, Any]:
    """What all trainings of a report have in common, as plain data.

    Args:
        data: the data set.
        recipe: how to train, a dataclass.
        seeds: how many seeds, counted from 0.
    """
    return {**_shared(data, recipe), "seeds": list(range(seeds))}


def _shared(data: Dataset, recipe: Any) -> dict[str, Any]:
    return {
        "data": data_facts(data),
        "recipe": dataclasses.asdict(recipe),
        "backend": keras.backend.backend(),
    }
