"""One round of times: every step once, the converter's own beside it."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from keras_diffmask.export.benchmarking.networks import resnet8
from keras_diffmask.export.child import Wording, run_child
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.evidence.report import Clock
from keras_diffmask.export.evidence.resnet50 import worker
from keras_diffmask.export.runs import Figures
from keras_diffmask.export.surgery import plan, recalibrate, strip
from keras_diffmask.masking import gates, mask_model

MASK, PLAN, STRIP = "mask_model", "plan", "strip"
OURS, ALONE = "to_tflite", "converter alone"
DENSE, STRIPPED = "dense", "stripped"
_T = TypeVar("_T")
_WORDING = Wording(
    who="TensorFlow's converter",
    hurry="Try again when the computer has less to do.",
    relief="Close other programs, or use a computer with more memory.",
    crash="Try again; if it happens each time, please report it.",
    look="Try again; if it happens each time, please report it.",
)


def resnet50() -> keras.Model:
    """The network of `keras.applications`, with random weights."""
    return keras.applications.ResNet50(weights=None)


#: What may be timed; the small one is for quick runs.
NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "ResNet50": resnet50,
    "ResNet-8": resnet8,
}


def run_trial(
    name: str,
    closed: float,
    kinds: Sequence[str],
    forms: Sequence[str],
    examples: int,
    job: Path,
) -> Figures:
    """Masks, strips and converts a network with random weights.

    Args:
        name: of `NETWORKS`.
        closed: share of every gate's units that is closed, at random.
        kinds: of the files, "float32" or "int8".
        forms: what is converted, `DENSE` or `STRIPPED`.
        examples: images to calibrate with.
        job: folder for what the converter's process needs.

    Returns:
        The figures, as plain data: seconds of each step, parameters, MACs, bytes.
    """
    clock = Clock()
    seconds: dict[str, float] = {}
    keras.utils.set_random_seed(0)
    network = NETWORKS[name]()
    generator = np.random.default_rng(0)
    images = generator.standard_normal((examples, *network.input_shape[1:]), "float32")
    network = recalibrate(network, images, batch_size=examples)

    masked, seconds[MASK] = _timed(lambda: mask_model(network))
    for gate in gates(masked):
        gate.set_keep(_drawn(gate.units, closed, generator))
    planned, seconds[PLAN] = _timed(lambda: plan(masked))
    slim, seconds[STRIP] = _timed(lambda: strip(masked))
    models = {DENSE: network, STRIPPED: slim}
    conversions = {
        f"{form}, {kind}": _conversion(
            models[form], kind, images, job / f"{form}-{kind}"
        )
        for kind in kinds
        for form in forms
    }
    return {
        "steps": seconds,
        "macs": dict(zip(models, planned.macs, strict=True)),
        "parameters": {form: one.count_params() for form, one in models.items()},
        "conversions": conversions,
        "seconds": clock.seconds(),
    }


def _drawn(units: int, closed: float, generator: np.random.Generator) -> np.ndarray:
    keep = np.ones(units, bool)
    keep[generator.permutation(units)[: int(closed * units)]] = False
    return keep


def _conversion(
    model: keras.Model, kind: str, images: np.ndarray, job: Path
) -> dict[str, Any]:
    calibration = images if kind == "int8" else None
    ours, seconds = _timed(lambda: to_tflite(model, kind, calibration=calibration))
    alone = _alone(model, kind, images, job)
    return {
        "seconds": {OURS: seconds, ALONE: alone["seconds"]},
        "bytes": {OURS: ours.nbytes, ALONE: alone["bytes"]},
    }


def _alone(
    model: keras.Model, kind: str, images: np.ndarray, job: Path
) -> dict[str, Any]:
    job.mkdir(parents=True, exist_ok=True)
    model.save(job / worker.MODEL)
    np.save(job / worker.EXAMPLES, images)
    (job / worker.ORDER).write_text(json.dumps({"kind": kind}), "utf-8")
    job = job.resolve()
    return run_child([sys.executable, "-m", worker.__name__, str(job)], job, _WORDING)


def _timed(step: Callable[[], _T]) -> tuple[_T, float]:
    clock = Clock()
    return step(), clock.seconds()
