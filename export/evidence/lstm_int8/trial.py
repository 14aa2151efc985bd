"""One network with LSTMs, trained, converted, and run in both runtimes."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.demo.training import accuracy, compile_classifier, score
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.evidence import fitting
from keras_diffmask.export.evidence.classifier.networks import Recipe
from keras_diffmask.export.evidence.lstm_int8.networks import STRIPPED, network
from keras_diffmask.export.evidence.lstm_int8.step import Differences, lstm_differences
from keras_diffmask.export.evidence.lstm_int8.tflm import Tflm
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import strip

CALIBRATION, COMPARED = 256, 200


def run_trial(
    name: str,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    unfinished: Path,
    label: str,
    reporter: Reporter,
) -> Figures:
    """Trains a network briefly, converts it, and compares the runtimes.

    Args:
        name: which of the networks.
        data: the data set; up to 200 sequences are drawn from its test part.
        recipe: how to train.
        seed: seed of weights, batches and kept units.
        unfinished: folder of the training's state.
        label: what to write before each phase.
        reporter: shows the progress.

    Returns:
        Plain figures: operators, accuracies, errors against Keras, and how often
        outputs and LSTM states differ by how many integers.
    """
    clock = Clock()
    keras.utils.set_random_seed(seed)
    model = network(name, data.input_shape, len(data.classes), seed)
    with reporter.phase(f"{label}: training", recipe.epochs) as advance:
        compile_classifier(model, recipe, len(data.x_train))
        order = fitting.shuffled(len(data.x_train), recipe.batch_size, seed)
        batches = fitting.Batches(order, data.x_train, data.y_train)
        seconds = fitting.fit(model, batches, recipe.epochs, unfinished, advance)
    model = strip(model) if name == STRIPPED else model
    with reporter.phase(f"{label}: converting and comparing", 3) as advance:
        known = fitting.drawn(data.x_train, CALIBRATION)
        file = to_tflite(model, "int8", target="cortex-m", calibration=known)
        advance(f"{file.nbytes:,} bytes")
        windows = fitting.drawn(data.x_test, COMPARED)
        compared = _outputs(file, windows, model.predict(windows, verbose=0))
        advance("outputs compared")
        integers = file.inputs[0].quantize(windows)
        states = [_states(one) for one in lstm_differences(file.content, integers)]
        advance("states compared")
    return {
        "test": {
            "float": score(model, data.x_test, data.y_test),
            "int8": accuracy(file.run(data.x_test), data.y_test),
        },
        "ops": list(file.ops),
        "quantization": file.quantization,
        "int8_bytes": file.nbytes,
        **compared,
        "lstms": states,
        "seconds": round(sum(seconds) + clock.seconds(), 1),
    }


def _outputs(file: Artifact, x: np.ndarray, wanted: np.ndarray) -> Figures:
    """What both runtimes answer, against Keras and against each other."""
    spec = file.outputs[0]
    theirs = file.run(x, reference_kernels=True)
    interpreter = Tflm(file.content)
    answers = []
    for integers in file.inputs[0].quantize(x):
        interpreter.reset()
        answers.append(spec.dequantize(interpreter.call(integers[None])))
    ours = np.concatenate(answers)
    steps = np.rint((ours - theirs) / np.float32(spec.scale)).astype(int)
    same = ours.argmax(-1) == theirs.argmax(-1)
    return {
        "sequences": len(x),
        "error": {"litert": _error(theirs, wanted), "tflm": _error(ours, wanted)},
        "error_by_sequence": {
            "median": float(np.median(_by_sequence(theirs, wanted))),
            "largest": float(np.max(_by_sequence(theirs, wanted))),
        },
        "outputs": counts(steps),
        "same_choice": float(np.mean(same)),
        "same_choice_or_tied": float(np.mean(same | tied(ours, theirs))),
    }


def _error(outputs: np.ndarray, wanted: np.ndarray) -> float:
    """Against the Keras model, as a share of its outputs, both rms."""
    return float(np.sqrt(np.mean((outputs - wanted) ** 2) / np.mean(wanted**2)))


def _by_sequence(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The same, per sequence: a single one that goes astray makes most of it."""
    rms = np.sqrt(np.mean((outputs - wanted) ** 2, axis=-1))
    return rms / np.sqrt(np.mean(wanted**2))


def tied(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Per example, whether one runtime's best class is as good in the other.

    Scores are integers: two classes are equal in some 1 % of the examples, and
    which of them `argmax` takes says nothing.
    """
    rows = np.arange(len(ours))
    here = ours[rows, theirs.argmax(-1)] == ours.max(-1)
    return here | (theirs[rows, ours.argmax(-1)] == theirs.max(-1))


def _states(found: Differences) -> dict[str, Any]:
    fields = dataclasses.asdict(found)
    return {
        "units": found.step.shape[-1],
        **{name: counts(array) for name, array in fields.items()},
    }


def counts(differences: np.ndarray) -> list[int]:
    """How many differences have the size 0, 1, 2 and so on."""
    return np.bincount(np.abs(differences).ravel()).tolist()
