"""The child process: `python -m keras_diffmask.export.emit.worker <job>`.

Reads the job directory, writes the .tflite file and a report there. An error
is written into the report, so that the parent can raise it again.
"""

import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.errors import ConversionError, DiffmaskError, FloatLeftError
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.child import answer
from keras_diffmask.export.emit import job as jobs
from keras_diffmask.export.emit.admission import InputSize, resolve_inputs
from keras_diffmask.export.emit.agreement import measure_agreement
from keras_diffmask.export.emit.checks import check_content
from keras_diffmask.export.emit.four_bits import pack_four_bits
from keras_diffmask.export.emit.gaps import gap_in
from keras_diffmask.export.emit.remains import without_remains
from keras_diffmask.export.emit.repair import repair
from keras_diffmask.export.model_io import shorten
from keras_diffmask.targets import Target

# Random inputs stand in for calibration data when a float file is compared.
_RANDOM_EXAMPLES = 8


def preload() -> None:
    """Imports what every job needs, and runs nothing of it."""
    importlib.import_module("keras_diffmask.export.emit.tensorflow_side")


def main(job: Path) -> int:
    """Does the job in the directory `job`; returns the exit status."""
    return answer(job, convert_job, _translate)


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

    from keras_diffmask.export.emit.tensorflow_side import prepare_model

    # Filtering wraps what a layer raises, our own errors too, in a RuntimeError.
    keras.config.disable_traceback_filtering()
    order = json.loads((job / jobs.ORDER).read_text(encoding="utf-8"))
    target = Target.from_json(order["target"])
    # The parent holds this very model, code and all: nothing new is trusted.
    model = keras.saving.load_model(job / jobs.MODEL, compile=False, safe_mode=False)
    inputs = resolve_inputs(model, order["steps"], order["streaming"])
    samples = _load_samples(job / jobs.SAMPLES, inputs)
    prepared = prepare_model(
        model, samples, order["steps"], order["streaming"],
        # Only a float file is to compute the same.
        conditioned=order["quantization"] == "float32",
    )  # fmt: skip
    if order["learned"]:
        content = _write_learned(prepared, order, samples, target)
    else:
        content = _write(prepared, order, samples, target)
    artifact = Artifact.from_content(content, model.name, target.name)
    agreement = measure_agreement(artifact, samples, prepared.reference, prepared.moves)
    (job / jobs.RESULT).write_bytes(content)
    return {"agreement": asdict(agreement)}


def _write(
    prepared: Any,
    order: dict[str, Any],
    samples: list[np.ndarray] | None,
    target: Target,
) -> bytes:
    """The converter's file, repaired and checked."""
    from keras_diffmask.export.emit.tensorflow_side import convert

    kind, io = order["quantization"], order["io"]
    written = convert(prepared, kind, samples, target, io)
    content = repair(written.content, written.fused)
    check_content(content, kind, target, written.fused, io)
    return content


def _write_learned(
    prepared: Any, order: dict[str, Any], samples: list[np.ndarray], target: Target
) -> bytes:
    """By the learned ranges alone; by calibration too where they leave gaps."""
    from keras_diffmask.export.emit.tensorflow_side import convert

    try:
        content = _write(prepared, order, None, target)
    except Exception as error:
        # Of our checks only the one that a range can satisfy.
        if isinstance(error, DiffmaskError) and not isinstance(error, FloatLeftError):
            raise
        if not order["calibrated"]:
            raise _gap(prepared.model, error) from error
        try:
            content = _write(prepared, order, samples, target)
        except FloatLeftError as left:
            raise _gap(prepared.model, left) from left
    content = without_remains(content)
    if not order["four_bits"] or "int4" in target.refused:
        return content
    return pack_four_bits(
        content, target, lambda: convert(prepared, "float32", None, target).content
    )


def _gap(model: Any, error: Exception) -> ConversionError:
    why = error if isinstance(error, DiffmaskError) else _translate(error)
    return ConversionError(
        "a learned range for every tensor of an int8 file, or calibration data for "
        "those without",
        *gap_in(model, why.received),
    )


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


def _translate(error: Exception) -> ConversionError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # The converter puts the reason behind "error:", below a page of locations.
    reason = next(
        (line for line in lines if "error:" in line), lines[0] if lines else ""
    )
    return ConversionError(
        "a model TensorFlow's converter accepts",
        shorten(f"{type(error).__name__}: {reason}"),
        jobs.LOOK,
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
