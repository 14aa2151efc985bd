"""One training of a classifier, and everything measured on what it gave."""

from pathlib import Path

import keras
import numpy as np

from keras_diffmask.budget import Budget
from keras_diffmask.errors import MissingDependencyError
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.demo.training import accuracy, score
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.classifier.networks import Recipe, network
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, strip
from keras_diffmask.masking import mask_model

CALIBRATION = 256


def run_trial(
    budget: Budget | None,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    label: str,
    reporter: Reporter,
) -> Figures:
    """Trains one network, strips it, converts it, and measures.

    Args:
        budget: of the pruned network, or None for the dense one.
        data: the data set. Its test part is used once, at the end.
        recipe: how to train.
        seed: seed of weights, batches and gates.
        unfinished: folder of the training's state.
        label: what to write before each phase.
        reporter: shows the progress.

    Returns:
        Plain figures: accuracies of the Keras model and of the int8 file,
        parameters, MACs, bytes, arena, what was kept, seconds.
    """
    clock = Clock()
    keras.utils.set_random_seed(seed)
    model = network(data.input_shape, len(data.classes), recipe)
    if budget is not None:
        model = mask_model(model, "hard_concrete", budget=budget)
    with reporter.phase(f"{label}: training", recipe.epochs) as advance:
        seconds = fitting.train_classifier(
            model, data, recipe, seed, unfinished, advance
        )
    cut = plan(model)
    slim = model if budget is None else strip(model)
    with reporter.phase(f"{label}: converting and scoring", 2) as advance:
        known = fitting.drawn(data.x_train, CALIBRATION)
        file = to_tflite(slim, "int8", target="cortex-m", calibration=known)
        advance(f"{file.nbytes:,} bytes")
        validation = _scores(slim, file, data.x_val, data.y_val)
        test = _scores(slim, file, data.x_test, data.y_test)
        advance("scored")
    return {
        "test": test,
        "validation": validation,
        "parameters": slim.count_params(),
        "macs": cut.macs[1],
        "int8_bytes": file.nbytes,
        "arena_bytes": _arena(file),
        "ops": list(file.ops),
        "int8_error": file.agreement.relative_error if file.agreement else None,
        "kept": [[r.layers[0], r.kept, r.total] for r in cut.rows if not r.protected],
        "epoch_seconds": float(np.median(seconds)),
        "seconds": round(sum(seconds) + clock.seconds(), 1),
    }


def _scores(
    model: keras.Model, file: Artifact, x: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    return {"float": score(model, x, labels), "int8": accuracy(file.run(x), labels)}


def _arena(file: Artifact) -> int | None:
    try:
        return tflm_arena_bytes(file.content)
    except MissingDependencyError:
        # It is published for Linux on x86-64 only.
        return None
