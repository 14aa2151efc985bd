"""Compares a .tflite file with the Keras model it came from."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.artifact import Agreement, Artifact

# Law 6 promises 1e-5 and its tests measure that; sums in another order move
# outputs of large nets a little further, a wrong function moves them by far more.
_FLOAT_LIMIT = 1e-4
# A sum in another order is many roundings; a deep network may not forgive even one.
_ROUNDINGS = 8
_REPORT = "Report the model: this is a fault of the conversion."


def _last_steps(output: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Of an output after every step, what the Keras model gives of it."""
    if reference.ndim < output.ndim:
        return output[:, -1]
    return output[:, -reference.shape[1] :]


def measure_agreement(
    artifact: Artifact,
    samples: list[np.ndarray],
    reference: tuple[np.ndarray, ...],
    moves: Sequence[float] = (),
) -> Agreement:
    """Runs the file on the samples and compares, each output by itself.

    Args:
        artifact: the converted model.
        samples: one array per input.
        reference: the Keras model's outputs for the first of the samples.
        moves: how far each of these moves where all weights and inputs do by a
            rounding; empty for not at all.

    Returns:
        The distance.

    Raises:
        ConversionError: the Keras outputs are not finite, an output of the file has
            another shape, or a float file computes something else than the Keras
            model.
    """
    count = len(reference[0])
    outputs = artifact.run([sample[:count] for sample in samples])
    if not isinstance(outputs, tuple):
        outputs = (outputs,)
    if artifact.streaming:
        outputs = tuple(map(_last_steps, outputs, reference))
    _check_shapes(outputs, reference)
    moves = moves or [0.0] * len(reference)
    # One by one: beside a large output a small one could be anything.
    found = [
        _compare(artifact, count, *one)
        for one in zip(outputs, reference, moves, strict=True)
    ]
    # `max` would pass over NaN.
    largest = float(np.max([one.max_error for one in found]))
    worst = max(found, key=lambda one: np.nan_to_num(one.relative_error, nan=np.inf))
    return replace(worst, max_error=largest)


def _check_shapes(
    outputs: Sequence[np.ndarray], reference: Sequence[np.ndarray]
) -> None:
    ours, theirs = ([one.shape[1:] for one in side] for side in (outputs, reference))
    if ours != theirs:
        raise ConversionError(
            f"outputs of the shapes of the Keras model's, {theirs}",
            f"{ours} in the .tflite file",
            _REPORT,
        )


def _compare(
    artifact: Artifact,
    count: int,
    output: np.ndarray,
    reference: np.ndarray,
    moves: float,
) -> Agreement:
    """The distance of one output."""
    wanted = np.ravel(reference).astype("float64")
    if not np.isfinite(wanted).all():
        raise ConversionError(
            "finite outputs of the Keras model",
            "NaN or infinity",
            "Check the model's weights and the calibration data.",
        )
    error = np.ravel(output).astype("float64") - wanted
    largest = float(np.abs(error).max(initial=0.0))
    scale = float(np.abs(wanted).max(initial=0.0))
    # `not <=` instead of `>`: NaN must not pass.
    if artifact.quantization == "float32" and not (
        largest <= max(_FLOAT_LIMIT * max(1.0, scale), _ROUNDINGS * moves)
    ):
        raise ConversionError(
            "the float .tflite file to compute what the Keras model does",
            f"outputs that differ by {largest:.3g} where they reach {scale:.3g}",
            _REPORT,
        )
    return Agreement(
        samples=count,
        max_error=largest,
        rms_error=float(np.sqrt(np.mean(error**2))),
        rms_output=float(np.sqrt(np.mean(wanted**2))),
    )
