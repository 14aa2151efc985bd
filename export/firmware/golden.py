"""One example and what it must come to, which the program on the board checks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.interpreter import match_inputs, run_batch
from keras_diffmask.export.tensor_spec import TensorSpec
from keras_diffmask.export.tflm import has_tflm, run_tflm

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Artifact

# Steps of a made-up sequence for a streaming model.
_STEPS = 4
# Ten Dense layers in a row put TFLM and LiteRT's plain kernels up to six steps apart
# on single outputs. Beyond this share of the outputs (rms), and two steps, it is no
# rounding: TFLM computes a file of int8 weights alone wrong, by far more.
_FAR = 0.05


@dataclass(frozen=True)
class Golden:
    """What goes in and what must come out, call by call.

    Args:
        calls: number of invocations; the steps of a streaming model, else 1.
        inputs: per input, integers (or floats) of all calls.
        outputs: per output, the same.
        tolerance: how far the board may be off, per output: integer steps where it
            is integers, else real values.
        origin: one sentence on where both are from.
    """

    calls: int
    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    tolerance: tuple[float, ...]
    origin: str


def make_golden(artifact: "Artifact", given: Any) -> Golden:
    """Runs one example.

    Args:
        artifact: the model.
        given: real examples, of which the first is taken; None makes one up.

    Raises:
        InvalidArgumentError: `given` does not fit the inputs.
        ArtifactError: TFLM computes something else than LiteRT.
    """
    example = _made_up(artifact) if given is None else _first(artifact, given)
    plain = run_batch(artifact, example, True, 1)
    outputs, runtime = plain, "LiteRT's reference kernels"
    if has_tflm():
        outputs, runtime = run_tflm(artifact, example), "TFLM on the host"
        _check_alike(artifact, outputs, plain)
    said = "made-up numbers" if given is None else "an example of golden="
    return Golden(
        calls=example[0].shape[1] if artifact.streaming else 1,
        inputs=tuple(
            spec.quantize(array)
            for spec, array in zip(artifact.inputs, example, strict=True)
        ),
        outputs=tuple(
            spec.quantize(output)
            for spec, output in zip(artifact.outputs, outputs, strict=True)
        ),
        tolerance=tuple(
            _tolerance(artifact, spec, output)
            for spec, output in zip(artifact.outputs, outputs, strict=True)
        ),
        origin=f"Input: {said}. Output: {runtime}.",
    )


def _first(artifact: "Artifact", given: Any) -> list[np.ndarray]:
    arrays = match_inputs(artifact, given)
    if not len(arrays[0]):
        raise InvalidArgumentError(
            "an example in golden=", "none", "Leave it out, and one is made up."
        )
    first = [array[:1] for array in arrays]
    for spec, array in zip(artifact.inputs, first, strict=True):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InvalidArgumentError(
                f"finite values in golden= for input '{spec.name}'",
                "NaN or infinity",
                "Pass another example.",
            )
    return first


def _made_up(artifact: "Artifact") -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    example = []
    for spec in artifact.inputs:
        shape = spec.shape
        if artifact.streaming:
            shape = (1, _STEPS, *shape[2:])
        if spec.scale is not None:
            info = np.iinfo(spec.dtype)
            values = generator.integers(info.min, info.max, shape, spec.dtype, True)
            example.append(spec.dequantize(values))
        elif spec.dtype.startswith("float"):
            example.append(generator.standard_normal(shape).astype(spec.dtype))
        else:
            # Indices, of which only 0 is sure to exist.
            example.append(np.zeros(shape, spec.dtype))
    return example


def _check_alike(
    artifact: "Artifact",
    ours: tuple[np.ndarray, ...],
    theirs: tuple[np.ndarray, ...],
) -> None:
    for spec, a, b in zip(artifact.outputs, ours, theirs, strict=True):
        error = float(np.sqrt(np.mean(np.square(a.astype("float64") - b))))
        size = float(np.sqrt(np.mean(np.square(b.astype("float64")))))
        limit = _FAR * size + 2.0 * (spec.scale or 0.0)
        if not error <= limit:
            raise ArtifactError(
                "TFLM to compute what LiteRT's reference kernels do",
                f"output '{spec.name}' off by {error:.3g} (rms), over {limit:.3g}",
                "Convert with quantization='int8' and target='cortex-m'.",
            )


def _tolerance(artifact: "Artifact", spec: TensorSpec, output: np.ndarray) -> float:
    """How far the board may be off: integer steps, or real values of a float output."""
    if spec.dtype.startswith("float"):
        size = max(1.0, float(np.abs(output).max(initial=0.0)))
        # Behind integers that may be two steps off, of some 255.
        return size * (1e-4 if not artifact.stateful or _is_float(artifact) else 1e-2)
    if artifact.stateful:
        return 2.0
    # LiteRT's FULLY_CONNECTED rounds once, TFLM's twice: one value in a thousand
    # is a step off, and goes into the next.
    return (
        0.0 if has_tflm() else float(max(1, artifact.all_ops.count("FULLY_CONNECTED")))
    )


def _is_float(artifact: "Artifact") -> bool:
    return artifact.quantization == "float32"
