"""The child process: `python -m keras_diffmask.export.emit.worker <job>`.

Reads the job directory, writes the .tflite file and a report there. An error
is written into the report, so that the parent can raise it again.
"""

import json
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.errors import ConversionError, DiffmaskError
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.emit import job as jobs
from keras_diffmask.export.emit.admission import InputSize, resolve_inputs
from keras_diffmask.export.emit.agreement import measure_agreement
from keras_diffmask.export.emit.checks import check_content
from keras_diffmask.export.emit.repair import repair
from keras_diffmask.export.model_io import shorten
from keras_diffmask.targets import Target

# Random inputs stand in for calibration data when a float file is compared.
_RANDOM_EXAMPLES = 8


def main(job: Path) -> int:
    """Does the job in the directory `job`; returns the exit status."""
    try:
        report = convert_job(job)
    except DiffmaskError as error:
        report = {"error": _describe(error)}
    except Exception as error:  # whatever TensorFlow or Keras raises
        report = {"error": _describe(_translate(error))}
        traceback.print_exc()  # to the log, or to the user with verbose=True
    (job / jobs.REPORT).write_text(json.dumps(report), encoding="utf-8")
    return 1 if "error" in report else 0


def convert_job(job: Path) -> dict[str, Any]:
    """Converts, repairs, checks and compares.

    Args:
        job: the directory, see `job.py` for what lies in it.

    Returns:
        The report for the parent.

    Raises:
        DiffmaskError: the model was refused, or the file breaks a promise.
    """
    import keras

    from keras_diffmask.export.emit.tensorflow_side import convert, prepare_model

    # Filtering wraps what a layer raises, our own errors too, in a RuntimeError.
    keras.config.disable_traceback_filtering()
    order = json.loads((job / jobs.ORDER).read_text(encoding="utf-8"))
    device = order["target"]
    if device["allowed_ops"] is not None:
        device["allowed_ops"] = frozenset(device["allowed_ops"])
    target = Target(**device)
    # The parent holds this very model, code and all: nothing new is trusted.
    model = keras.saving.load_model(job / jobs.MODEL, compile=False, safe_mode=False)
    inputs = resolve_inputs(model, order["steps"], order["streaming"])
    samples = _load_samples(job / jobs.SAMPLES, inputs)
    prepared = prepare_model(model, samples, order["steps"], order["streaming"])
    written = convert(prepared, order["quantization"], samples, target)
    content = repair(written.content, written.fused)
    check_content(content, order["quantization"], target, written.fused)
    artifact = Artifact.from_content(content, model.name, target.name)
    agreement = measure_agreement(artifact, samples, prepared.reference)
    (job / jobs.RESULT).write_bytes(content)
    return {"agreement": asdict(agreement)}


def _load_samples(path: Path, inputs: list[InputSize]) -> list[np.ndarray]:
    if path.exists():
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[f"input_{i}"] for i in range(len(inputs))]
    generator = np.random.default_rng(0)
    samples = []
    for size in inputs:
        # None: the steps of a streaming model, any number of them.
        sizes = [_RANDOM_EXAMPLES if n is None else n for n in size.shape[1:]]
        shape = (_RANDOM_EXAMPLES, *sizes)
        if "float" in size.dtype:
            samples.append(generator.standard_normal(shape).astype("float32"))
        else:
            samples.append(np.zeros(shape, "int32"))
    return samples


def _describe(error: DiffmaskError) -> dict[str, str]:
    return {
        "type": type(error).__name__,
        "expected": error.expected,
        "received": error.received,
        "next_step": error.next_step,
    }


def _translate(error: Exception) -> ConversionError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # The converter puts the reason behind "error:", below a page of locations.
    reason = next(
        (line for line in lines if "error:" in line), lines[0] if lines else ""
    )
    return ConversionError(
        "a model TensorFlow's converter accepts",
        shorten(f"{type(error).__name__}: {reason}"),
        "Call again with verbose=True to see the converter's own messages.",
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
