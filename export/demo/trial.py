"""One seed of the demo: three trainings, a strip, and the conversions."""

import dataclasses
from pathlib import Path
from typing import Any

import keras

from keras_diffmask.budget import Budget
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.demo import networks
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.demo.training import accuracy, score, settled, train
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.model_io import save_model
from keras_diffmask.export.surgery import Plan, plan, strip
from keras_diffmask.masking import mask_model

CALIBRATION = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """Everything that one seed gave.

    Args:
        seed: the seed.
        test: name of a model -> accuracy on the test part, 0 to 1.
        validation: the same on the validation part.
        plan: what the strip took out of the pruned network.
        files: `"dense_float32"`, `"dense_int8"`, `"pruned_float32"`,
            `"pruned_int8"` -> the `.tflite` model.
        masked: the trained masked network.
    """

    seed: int
    test: dict[str, float]
    validation: dict[str, float]
    plan: Plan
    files: dict[str, Artifact]
    masked: keras.Model


def run_trial(
    task: str,
    data: Dataset,
    budget: float,
    recipe: Recipe,
    seed: int,
    label: str,
    reporter: Reporter,
    masked_file: Path | None = None,
) -> Trial:
    """Trains dense, pruned and from scratch, and converts the first two.

    Args:
        task: `"image"` or `"sequence"`.
        data: the data set.
        budget: fraction of the dense network's MACs.
        recipe: how to train, the same for all three.
        seed: seed of weights, batches and gates.
        label: what to write before each phase, such as `"seed 1 of 3"`.
        reporter: shows the progress.
        masked_file: where to save the masked network once it is trained.

    Returns:
        The `Trial`. The test part was used for its scores and nothing else.

    Raises:
        BudgetError: the budget is below what one unit per layer costs.
    """

    def fresh() -> keras.Model:
        keras.utils.set_random_seed(seed)
        return networks.build(task, data.input_shape, len(data.classes))

    def trained(model: keras.Model, name: str) -> keras.Model:
        with reporter.phase(f"{label}: training {name}", recipe.epochs) as advance:
            train(model, data, recipe, seed, advance)
        return model

    # Masked before anything is trained: a budget out of reach is told at once.
    masked = mask_model(fresh(), budget=Budget(macs=budget))
    dense = trained(fresh(), "the dense network")
    trained(masked, "the network with masks")
    if masked_file is not None:
        # At once: what takes longest should outlive whatever fails after it.
        save_model(masked, masked_file)
    dense = settled(dense, data, recipe)
    slim = settled(strip(masked), data, recipe)
    keras.utils.set_random_seed(seed)
    scratch = trained(networks.reborn(slim), "the pruned widths from scratch")
    scratch = settled(scratch, data, recipe)
    files = _converted({"dense": dense, "pruned": slim}, data, label, reporter)
    models = {"dense": dense, "pruned": slim, "scratch": scratch}
    with reporter.phase(f"{label}: scoring", 2) as advance:
        validation = _scores(models, files, data.x_val, data.y_val)
        advance(f"{len(data.x_val)} examples")
        test = _scores(models, files, data.x_test, data.y_test)
        advance(f"{len(data.x_test)} examples")
    return Trial(seed, test, validation, plan(masked), files, masked)


def _scores(
    models: dict[str, keras.Model], files: dict[str, Artifact], x: Any, labels: Any
) -> dict[str, float]:
    scores = {name: score(model, x, labels) for name, model in models.items()}
    for name, file in files.items():
        if name.endswith("int8"):
            scores[name] = accuracy(file.run(x), labels)
    return scores


def _converted(
    models: dict[str, keras.Model], data: Dataset, label: str, reporter: Reporter
) -> dict[str, Artifact]:
    samples = data.x_train[:CALIBRATION]
    files = {}
    with reporter.phase(f"{label}: converting", 2 * len(models)) as advance:
        for name, model in models.items():
            for kind in ("float32", "int8"):
                calibration = samples if kind == "int8" else None
                key = f"{name}_{kind}"
                files[key] = to_tflite(model, kind, calibration=calibration, name=key)
                advance(f"{key}: {files[key].nbytes:,} bytes")
    return files
