"""What a trained network comes to as a .tflite file."""

import keras
import numpy as np

from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.training import accuracy
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.runs import Figures

#: A file made of what was learned in training; every other name is a mode.
LEARNED = "learned"
CALIBRATION = 256


def convert(model: keras.Model, name: str, data: Dataset) -> Artifact:
    """Converts a network.

    Args:
        model: a stripped network; for `LEARNED` one that kept its quantizers.
        name: `LEARNED`, or a mode of `to_tflite`, calibrated where it has to be
            with `CALIBRATION` examples.
        data: the data set.
    """
    if name == LEARNED:
        return to_tflite(model)
    if name == "float32":
        return to_tflite(model, name)
    return to_tflite(model, name, calibration=data.x_train[:CALIBRATION])


def measure(file: Artifact, model: keras.Model, name: str, data: Dataset) -> Figures:
    """Scores a file.

    Args:
        file: what `convert` made.
        model: of this network.
        name: under this name.
        data: the data set.

    Returns:
        Accuracies and bytes; for `LEARNED` also how near the file is to what
        simulated it.
    """
    figures: Figures = {
        "test": accuracy(file.run(data.x_test), data.y_test),
        "validation": accuracy(file.run(data.x_val), data.y_val),
        "bytes": file.nbytes,
    }
    if name == LEARNED:
        figures["agreement"] = _agreement(file, model, data.x_test)
    return figures


def _agreement(file: Artifact, model: keras.Model, x: np.ndarray) -> dict[str, float]:
    """How often LiteRT's reference kernels answer what the simulation does.

    Returns:
        Shares of the outputs that are the same integer, and at most one step off;
        shares of the examples with the same class, and with one that is at most one
        step behind the largest.
    """
    simulated = model.predict(x, batch_size=256, verbose=0)
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
