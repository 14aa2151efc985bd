"""`to_tflite`: the parent's side of a conversion. Never imports TensorFlow."""

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_diffmask import targets
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.artifact import Agreement, Artifact
from keras_diffmask.export.dependencies import require_installed
from keras_diffmask.export.emit import job as jobs
from keras_diffmask.export.emit.admission import check_model
from keras_diffmask.export.emit.calibration import prepare_calibration

# What law 6 allows an int8 file: error as a share of the output, both rms.
_INT8_BUDGET = 0.05
#: Module -> package.
_NEEDED = {"tensorflow": "tensorflow", "ai_edge_litert": "ai-edge-litert"}


def to_tflite(
    model: Any,
    quantization: str | None = None,
    calibration: Any = None,
    target: str | targets.Target = "host",
    name: str | None = None,
    timeout: float | None = 900.0,
    verbose: bool = False,
    steps: int | None = None,
    streaming: bool = False,
) -> Artifact:
    """Converts a stock Keras model to a .tflite model, batch 1.

    The converter runs in a child process under TensorFlow, whatever the
    backend here; the model is not changed. The result is checked: operators the
    target has, no float tensor left in an int8 file, static shapes, one fused
    operator per LSTM, equal LSTM scales, and outputs compared with the Keras
    model's.

    Each LSTM (a direction of a Bidirectional is one, a cell of StackedRNNCells
    too) becomes one fused operator, with `unroll=True` as well. What has no fused
    form is unrolled in few operators, and a warning says beforehand what that
    costs: GRU, SimpleRNN, an LSTM with other activations than tanh and sigmoid,
    with a given initial state, or whose final cell state c is read. A Masking
    layer before a recurrent one is refused.

    The fused operator keeps its state from call to call: reset it before every
    sequence, see `Artifact.state_note`. `streaming=True` makes use of that: the
    file takes one step, and after each answers what the Keras model does for the
    sequence so far.

    Args:
        model: a Functional or Sequential model of stock Keras layers.
        quantization: None or "float32"; or "int8" for integers throughout,
            inputs and outputs included.
        calibration: examples of the inputs, preprocessed as for training; needed
            for "int8" (256 are plenty). One array; a list or a dict by name for
            several inputs; or an iterable of batches.
        target: "host", "cortex-m", or a `keras_diffmask.targets.Target`.
        name: what tables and file names call it; by default the model's name.
        timeout: seconds after which the converter is stopped; None: never.
        verbose: show the converter's own messages.
        steps: the length of the sequences, at least 1, for a model whose Input
            leaves it open (`keras.Input((None, features))`).
        streaming: write a model of one step per call, inputs of shape (1, 1, ...),
            which carries its state from call to call. Its recurrent layers must
            be LSTMs that read forward; calibration stays whole sequences.

    Returns:
        An `Artifact`. Its `notes` hold what was warned about.

    Warns:
        UserWarning: a layer is unrolled, with the cost; calibration is scarce;
            or int8 outputs are more than 5 % off.

    Raises:
        InvalidArgumentError: an argument or the calibration data is not usable.
        UnsupportedModelError: the model is of a kind that cannot be converted.
        ConversionError: the converter failed, died, or broke a promise.
        MissingDependencyError: TensorFlow or ai-edge-litert is not installed.

    Example:

    ```python
    slim = export.strip(masked)
    artifact = export.to_tflite(slim, "int8", calibration=x[:256], target="cortex-m")
    artifact.save("model.tflite")

    live = export.to_tflite(slim, "int8", calibration=x[:256], streaming=True)
    live.run(x[:1])  # (1, steps, classes): what it says after every step
    ```
    """
    quantization = _check_quantization(quantization)
    device = targets.get(target)
    inputs, recurrent = check_model(model, steps, streaming)
    notes = tuple(recurrence.note for recurrence in recurrent if recurrence.note)
    samples = None
    if calibration is not None:
        samples = prepare_calibration(inputs, calibration)
    elif quantization == "int8":
        raise InvalidArgumentError(
            "calibration data for quantization='int8'",
            "calibration=None",
            "Pass some 256 inputs, preprocessed as for training.",
        )
    require_installed(_NEEDED, "which writes or checks .tflite files", "tflite")
    for note in notes:
        warnings.warn(note, stacklevel=2)
    order = {"quantization": quantization, "steps": steps, "streaming": streaming}
    content, report = _convert(model, order, samples, device, timeout, verbose)
    agreement = Agreement(**report["agreement"])
    if quantization == "int8" and agreement.relative_error > _INT8_BUDGET:
        warnings.warn(
            f"The int8 outputs differ from the Keras model's by "
            f"{agreement.relative_error:.1%} (rms; the budget is "
            f"{_INT8_BUDGET:.0%}): check the calibration data, or add more.",
            stacklevel=2,
        )
    return Artifact.from_content(
        content, name or model.name, device.name, agreement, notes
    )


def _check_quantization(quantization: str | None) -> str:
    if quantization not in (None, "float32", "int8"):
        raise InvalidArgumentError(
            "quantization to be None, 'float32' or 'int8'",
            f"quantization={quantization!r}",
            "Pass one of these.",
        )
    return quantization or "float32"


def _convert(
    model: Any,
    order: dict[str, Any],
    samples: list[np.ndarray] | None,
    device: targets.Target,
    timeout: float | None,
    verbose: bool,
) -> tuple[bytes, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="keras_diffmask_") as folder:
        job = Path(folder)
        # A fresh Model around the same layers leaves optimizer and losses behind.
        keras.Model(model.inputs, model.outputs, name=model.name).save(job / jobs.MODEL)
        if samples is not None:
            arrays = {f"input_{i}": array for i, array in enumerate(samples)}
            np.savez(job / jobs.SAMPLES, **arrays)  # type: ignore[arg-type]
        ops = device.allowed_ops
        order["target"] = {
            "name": device.name,
            "allowed_ops": None if ops is None else sorted(ops),
            "per_channel_dense": device.per_channel_dense,
        }
        (job / jobs.ORDER).write_text(json.dumps(order), encoding="utf-8")
        report = jobs.run_worker(job, timeout, verbose)
        return (job / jobs.RESULT).read_bytes(), report
