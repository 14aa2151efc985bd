"""Has a child process read a Keras 2 file, and takes what it leaves."""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.export.child import Wording, run_child

WORKER = "keras_diffmask.export.interop.worker"

#: Module -> package; imported in the child alone.
NEEDED = {
    "tensorflow_model_optimization": "tensorflow-model-optimization",
    "tf_keras": "tf_keras",
}

# Names of what lies in the job directory, besides the child's report.
ORDER, ARRAYS = "order.json", "arrays.npz"
#: What the names of arrays begin with.
INPUT, OUTPUT, WEIGHT = "input/", "output/", "weight/"
#: How many examples the Keras 2 model answers.
EXAMPLES = 8

_WORDING = Wording(
    who="the reader of Keras 2 files",
    hurry="Raise timeout=.",
    relief="Free memory and try again; the file is untouched.",
    crash="Load the file with tf_keras.models.load_model to see what is wrong.",
    look="Load the file with tf_keras.models.load_model to see what is wrong.",
)


@dataclass(frozen=True)
class Keras2Model:
    """What the child found.

    Attributes:
        architecture: class name and configuration, without pruning wrappers.
        weights: place -> array.
        inputs: examples, one array per input.
        outputs: what the Keras 2 model answers to them.
    """

    architecture: dict[str, Any]
    weights: dict[str, np.ndarray]
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


def read_in_child(path: Path, vocabulary: int, timeout: float | None) -> Keras2Model:
    """Read a file of Keras 2 in a process of its own.

    Args:
        path: file or folder.
        vocabulary: integers below it are legal inputs; 0: inputs are no tokens.
        timeout: seconds after which the child is killed; None waits for ever.

    Raises:
        DiffmaskError: the child could not read it, and says why.
    """
    with tempfile.TemporaryDirectory(prefix="keras_diffmask_") as folder:
        job = Path(folder)
        order = {"path": str(path.resolve()), "vocabulary": vocabulary}
        (job / ORDER).write_text(json.dumps(order), encoding="utf-8")
        command = [sys.executable, "-m", WORKER, str(job)]
        report = run_child(command, job, _WORDING, timeout)
        with np.load(job / ARRAYS, allow_pickle=False) as stored:
            arrays = dict(stored)
    of = {
        kind: {k.removeprefix(kind): v for k, v in arrays.items() if k.startswith(kind)}
        for kind in (INPUT, OUTPUT, WEIGHT)
    }
    inputs, outputs = (
        [of[kind][str(k)] for k in range(len(of[kind]))] for kind in (INPUT, OUTPUT)
    )
    return Keras2Model(report["model"], of[WEIGHT], inputs, outputs)
