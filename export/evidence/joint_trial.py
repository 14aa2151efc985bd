"""One training, in floats or with the device's integers in it, and its files."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_diffmask.budget import Budget
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.benchmarking.networks import resnet8
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.demo.training import accuracy, score
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, strip
from keras_diffmask.masking import mask_model

DENSE, PRUNED, JOINT_8, JOINT_4 = "dense", "pruned", "joint int8", "joint int4"
#: Trained -> the quantization it is trained with; the dense network has no budget.
TRAINED = {DENSE: None, PRUNED: None, JOINT_8: "int8", JOINT_4: "int4"}
#: What is left of the dense network's MACs.
SHARE = 0.3
CALIBRATION = 256


def run_trial(
    trained: str,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    label: str,
    reporter: Reporter,
) -> Figures:
    """Trains one network, strips it, converts it, and scores model and files.

    Args:
        trained: one of `TRAINED`.
        data: the data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        unfinished: folder of the training's state.
        label: what to write before each phase.
        reporter: shows the progress.

    Returns:
        Plain figures: per file name accuracies and bytes; that of the Keras model
        and the share of the MACs; how near a file is to what simulated it.
    """
    clock = Clock()
    keras.utils.set_random_seed(seed)
    model, integers = resnet8(data.input_shape, len(data.classes)), TRAINED[trained]
    before = plan(model).macs[0]
    if trained != DENSE:
        model = mask_model(model, budget=Budget(macs=SHARE), quantization=integers)
    with reporter.phase(f"{label}: training", recipe.epochs) as advance:
        seconds = fitting.train_classifier(
            model, data, recipe, seed, unfinished, advance
        )
    slim = strip(model, keep_quantizers=integers is not None)
    with reporter.phase(f"{label}: converting and scoring") as advance:
        files = {}
        for name, file in _files(slim, data):
            files[name] = _scored(file, data)
            if integers is not None:
                files[name]["agreement"] = _agreement(file, slim, data.x_test)
        advance("scored")
    return {
        "test": score(slim, data.x_test, data.y_test),
        "validation": score(slim, data.x_val, data.y_val),
        "macs_share": plan(model).macs[1] / before,
        "files": files,
        "epoch_seconds": float(np.median(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
    }


def _files(slim: keras.Model, data: Dataset) -> list[tuple[str, Artifact]]:
    """What was learned; of a model in floats, what calibration makes of it."""
    from keras_diffmask.quantizers import quantizers_of

    if quantizers_of(slim):
        return [("learned", to_tflite(slim))]
    calibration = data.x_train[:CALIBRATION]
    return [
        (name, to_tflite(slim, name, calibration=calibration))
        for name in ("int8", "int4")
    ]


def _scored(file: Artifact, data: Dataset) -> dict[str, Any]:
    return {
        "test": accuracy(file.run(data.x_test), data.y_test),
        "validation": accuracy(file.run(data.x_val), data.y_val),
        "bytes": file.nbytes,
    }


def _agreement(file: Artifact, slim: keras.Model, x: np.ndarray) -> dict[str, float]:
    """How often LiteRT's reference kernels answer what the simulation does.

    Returns:
        Shares of the outputs that are the same integer, and at most one step off;
        shares of the examples with the same class, and with one that is at most one
        step behind the largest.
    """
    simulated = slim.predict(x, batch_size=256, verbose=0)
    found = file.run(x, reference_kernels=True)
    scale = file.outputs[0].scale or 1.0
    steps = np.rint(np.abs(found - simulated) / scale)
    chosen = np.take_along_axis(simulated, found.argmax(-1)[:, None], axis=-1)[:, 0]
    behind = np.rint((simulated.max(axis=-1) - chosen) / scale)
    return {
        "exact": float(np.mean(steps == 0)),
        "within_1": float(np.mean(steps <= 1)),
        "class": float(np.mean(found.argmax(axis=-1) == simulated.argmax(axis=-1))),
        "class_within_1": float(np.mean(behind <= 1)),
    }
