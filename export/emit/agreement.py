"""Compares a .tflite file with the Keras model it came from."""

import numpy as np

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.artifact import Agreement, Artifact

# Law 6 promises 1e-5 and its tests measure that; sums in another order move
# outputs of large nets a little further, a wrong function moves them by far more.
_FLOAT_LIMIT = 1e-4
# A sum in another order is many roundings; a deep network may not forgive even one.
_ROUNDINGS = 8


def _last_steps(output: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Of an output after every step, what the Keras model gives of it."""
    if reference.ndim < output.ndim:
        return output[:, -1]
    return output[:, -reference.shape[1] :]


def measure_agreement(
    artifact: Artifact,
    samples: list[np.ndarray],
    reference: tuple[np.ndarray, ...],
    moves: float = 0.0,
) -> Agreement:
    """Runs the file on the samples and compares.

    Args:
        artifact: the converted model.
        samples: one array per input.
        reference: the Keras model's outputs for the first of the samples.
        moves: how far these move where all weights and inputs do by a rounding.

    Returns:
        The distance.

    Raises:
        ConversionError: the Keras outputs are not finite, or a float file
            computes something else than the Keras model.
    """
    count = len(reference[0])
    outputs = artifact.run([sample[:count] for sample in samples])
    if not isinstance(outputs, tuple):
        outputs = (outputs,)
    if artifact.streaming:
        outputs = tuple(map(_last_steps, outputs, reference))
    wanted = np.concatenate([np.ravel(r).astype("float64") for r in reference])
    if not np.isfinite(wanted).all():
        raise ConversionError(
            "finite outputs of the Keras model",
            "NaN or infinity",
            "Check the model's weights and the calibration data.",
        )
    error = np.concatenate([np.ravel(o).astype("float64") for o in outputs]) - wanted
    largest = float(np.abs(error).max(initial=0.0))
    scale = float(np.abs(wanted).max(initial=0.0))
    # `not <=` instead of `>`: NaN must not pass.
    if artifact.quantization == "float32" and not (
        largest <= max(_FLOAT_LIMIT * max(1.0, scale), _ROUNDINGS * moves)
    ):
        raise ConversionError(
            "the float .tflite file to compute what the Keras model does",
            f"outputs that differ by {largest:.3g} where they reach {scale:.3g}",
            "Report the model: this is a fault of the conversion.",
        )
    return Agreement(
        samples=count,
        max_error=largest,
        rms_error=float(np.sqrt(np.mean(error**2))),
        rms_output=float(np.sqrt(np.mean(wanted**2))),
    )
