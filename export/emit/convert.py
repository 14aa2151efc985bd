"""`to_tflite`: the parent's side of a conversion. Never imports TensorFlow."""

import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_diffmask import targets
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export import modes
from keras_diffmask.export.artifact import Agreement, Artifact
from keras_diffmask.export.dependencies import require_installed
from keras_diffmask.export.emit import job as jobs
from keras_diffmask.export.emit.admission import check_model
from keras_diffmask.export.emit.calibration import prepare_calibration
from keras_diffmask.export.emit.finish import finish
from keras_diffmask.export.emit.learned import (
    examples_of,
    has_quantizers,
    learned_from,
)
from keras_diffmask.export.emit.memory import check_memory
from keras_diffmask.export.emit.plausible import warnings_about
from keras_diffmask.export.emit.supported import check_support
from keras_diffmask.export.metadata import Fingerprint, check_labels

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
    io: str | None = None,
    labels: Sequence[str] | None = None,
    description: str | None = None,
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
        model: a Functional or Sequential model of stock Keras layers; or one with
            quantizers, from `quantize_model` or `strip(keep_quantizers=True)`,
            which is written with the integers that it learned.
        quantization: None or "float32"; "int8" for integers throughout, inputs
            and outputs included; "int16x8", int8 weights with int16 activations;
            "int4", 4-bit weights of convolutions and Dense layers with int8
            activations (`pip install keras-diffmask[int4]`); "float16" or "dynamic"
            (int8), the weights alone. `export.modes.table()` says which target
            runs which; recurrent layers that are fused stay with "int8" and those
            of weights alone.
        calibration: examples of the inputs, preprocessed as for training; needed
            for integers (256 are plenty), but not where a model with quantizers
            has learned every range. One array; a list or a dict by name for
            several inputs; or an iterable of batches.
        target: "host", "android-cpu", "cortex-m", "ethos-u55", "ethos-u85", or a
            `keras_diffmask.targets.Target`.
        name: what tables and file names call it; by default the model's name.
        timeout: seconds after which the converter is stopped; None: never.
        verbose: show the converter's own messages.
        steps: the length of the sequences, at least 1, for a model whose Input
            leaves it open (`keras.Input((None, features))`).
        streaming: write a model of one step per call, inputs of shape (1, 1, ...),
            which carries its state from call to call. Its recurrent layers must
            be LSTMs that read forward; calibration stays whole sequences.
        io: type of inputs and outputs of an integer file: "int8" (the usual one),
            "uint8" or "float32"; of "int16x8" "int16" or "float32". Integer inputs
            of the model, such as tokens, stay what they are.
        labels: names of the classes, for phones: one per unit of an output. They
            are put into the file as `labels.txt` (`unzip` reads it), and named in
            its TFLite metadata. How inputs are to be normalized is not in there:
            the model alone does not tell.
        description: what the model does, for that metadata.

    Returns:
        An `Artifact`. Its `notes` hold what was warned about.

    Warns:
        UserWarning: a layer is unrolled, with the cost; calibration is scarce, or
            far from what the model was trained on, as its layers tell; or the
            outputs are further off than the mode's usual error.

    Raises:
        InvalidArgumentError: an argument or the calibration data is not usable, or
            the target can't run this quantization.
        UnsupportedModelError: the model is of a kind that cannot be converted, or a
            layer, which is named, leads to what the target or the quantization
            lacks.
        ConversionError: the converter failed, died, or broke a promise; or the
            file or its arena is too large for the target.
        MissingDependencyError: a package is not installed.

    Example:

    ```python
    slim = export.strip(masked)
    artifact = export.to_tflite(slim, "int8", calibration=x[:256], target="cortex-m")
    artifact.save("model.tflite")

    live = export.to_tflite(slim, "int8", calibration=x[:256], streaming=True)
    live.run(x[:1])  # (1, steps, classes): what it says after every step
    ```
    """
    device, learned = targets.get(target), None
    if has_quantizers(model):
        learned = learned_from(model, quantization)
        model, quantization = learned.model, "int8"
        device = replace(device, per_channel_dense=learned.per_channel_dense)
    mode = modes.get(quantization)
    modes.check_target(mode, device)
    io = modes.check_io(mode, io, device)
    inputs, recurrent = check_model(model, steps, streaming)
    named = _check_labels(model, labels, description)
    check_support(model, mode, device, recurrent)
    if learned is not None and calibration is None:
        samples = examples_of(model)
    else:
        samples = _check_calibration(inputs, calibration, mode)
    _check_dependencies(mode)
    notes = tuple(recurrence.note for recurrence in recurrent if recurrence.note)
    given = samples if samples is not None and calibration is not None else None
    for note in (*notes, *(warnings_about(model, given) if given else ())):
        warnings.warn(note, stacklevel=2)
    order = {
        "quantization": mode.name,
        "steps": steps,
        "streaming": streaming,
        "io": io,
        "target": device.to_json(),
        "learned": learned is not None,
        "four_bits": learned is not None and learned.four_bits,
        "calibrated": calibration is not None,
    }
    content, report = _convert(model, order, samples, timeout, verbose)
    known = Fingerprint.of(given, streaming) if given else None
    content = finish(content, name or model.name, known, named, description)
    check_memory(content, device)
    agreement = Agreement(**report["agreement"])
    if agreement.relative_error > mode.error:
        hint = (
            "check the calibration data, or add more, and see at which layer it arises "
            "with `export.verify(..., per_layer=True)`"
            if mode.calibration
            else "`export.verify` on your own data says whether that matters"
        )
        warnings.warn(
            f"The {mode.name} outputs differ from the Keras model's by "
            f"{100 * agreement.relative_error:.2g} % (rms; the budget is "
            f"{100 * mode.error:.2g} %): {hint}.",
            stacklevel=2,
        )
    return Artifact.from_content(
        content, name or model.name, device.name, agreement, notes
    )


def _check_labels(model: Any, labels: Any, description: Any) -> tuple[str, ...]:
    if description is not None and not isinstance(description, str):
        raise InvalidArgumentError(
            "description as a string", f"a {type(description).__name__}", "Pass text."
        )
    if labels is None:
        return ()
    return check_labels(labels, [tensor.shape[-1] for tensor in model.outputs])


def _check_calibration(
    inputs: Any, calibration: Any, mode: modes.Mode
) -> list[np.ndarray] | None:
    if calibration is not None:
        return prepare_calibration(inputs, calibration)
    if mode.calibration:
        raise InvalidArgumentError(
            f"calibration data for quantization='{mode.name}'",
            "calibration=None",
            "Pass some 256 inputs, preprocessed as for training.",
        )
    return None


def _check_dependencies(mode: modes.Mode) -> None:
    require_installed(_NEEDED, "which writes or checks .tflite files", "tflite")
    if mode.name == "int4":
        packed = {"ai_edge_quantizer": "ai-edge-quantizer"}
        require_installed(packed, "which writes 4-bit weights", "int4")


def _convert(
    model: Any,
    order: dict[str, Any],
    samples: list[np.ndarray] | None,
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
        (job / jobs.ORDER).write_text(json.dumps(order), encoding="utf-8")
        report = jobs.run_worker(job, timeout, verbose)
        return (job / jobs.RESULT).read_bytes(), report
