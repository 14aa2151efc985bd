"""Runs .tflite models in the interpreter of TensorFlow Lite for Microcontrollers."""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.dependencies import missing_tflm
from keras_diffmask.export.interpreter import join_answers, match_inputs

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Artifact

# A child process: TFLM ends the process where a model breaks one of its
# assumptions. `Invoke` may write over the input, so that it is set every time.
_CHILD = """
import sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime
folder, count, resets, steps = sys.argv[1], *map(int, sys.argv[2:])
with open(folder + "/model.tflite", "rb") as file:
    interpreter = runtime.Interpreter.from_bytes(file.read(), arena_size=1 << 26)
with np.load(folder + "/inputs.npz") as stored:
    inputs = [stored[f"arr_{i}"] for i in range(len(stored.files))]
answers = [[] for _ in range(count)]
for k in range(len(inputs[0])):
    if resets:
        interpreter.reset()
    for t in range(max(steps, 1)):
        for i, rows in enumerate(inputs):
            row = rows[k : k + 1]
            interpreter.set_input(row[:, t : t + 1] if steps else row, i)
        interpreter.invoke()
        for i in range(count):
            answers[i].append(interpreter.get_output(i))
np.savez(folder + "/outputs.npz", *map(np.stack, answers))
"""


def has_tflm() -> bool:
    """Whether tflite-micro is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def check_tflm() -> None:
    """Raises `MissingDependencyError` where tflite-micro is not installed."""
    if not has_tflm():
        raise missing_tflm()


def run_tflm(artifact: "Artifact", x: Any) -> tuple[np.ndarray, ...]:
    """Runs every example of `x` as a microcontroller would, in a child process.

    The interpreter is TFLM's own with its reference kernels. State is reset
    before each example; a streaming model is fed step by step.

    Args:
        artifact: the model.
        x: see `Artifact.run`; at least one example.

    Returns:
        The de-quantized outputs, as `Artifact.run` gives them, in a tuple.

    Raises:
        InvalidArgumentError: `x` does not fit the inputs.
        MissingDependencyError: tflite-micro is not installed.
        ArtifactError: TFLM cannot run the model.

    Example:

    ```python
    (scores,) = run_tflm(artifact, x_test[:100])
    ```
    """
    check_tflm()
    arrays = match_inputs(artifact, x)
    rows = [
        spec.quantize(array)
        for spec, array in zip(artifact.inputs, arrays, strict=True)
    ]
    steps = arrays[0].shape[1] if artifact.streaming else 0
    raw = _in_child(artifact, rows, steps)
    return tuple(
        spec.dequantize(join_answers(spec, answers, max(steps, 1), artifact.streaming))
        for spec, answers in zip(artifact.outputs, raw, strict=True)
    )


def _in_child(
    artifact: "Artifact", rows: list[np.ndarray], steps: int
) -> list[np.ndarray]:
    """The integers of every invocation, one array per output."""
    count = len(artifact.outputs)
    numbers = (count, int(artifact.stateful), steps)
    with tempfile.TemporaryDirectory(prefix="keras_diffmask_") as folder:
        (Path(folder) / "model.tflite").write_bytes(artifact.content)
        np.savez(Path(folder) / "inputs.npz", *rows)
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, folder, *map(str, numbers)],
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode == 0:
            with np.load(Path(folder) / "outputs.npz") as stored:
                return [stored[f"arr_{i}"] for i in range(count)]
    raise ArtifactError(
        "a model that TFLM can run",
        f"{artifact.name!r}, at which it stops: {_reason(done)}",
        "Convert with quantization='int8' and target='cortex-m'.",
    )


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    """What TFLM said, which stands before Python's traceback."""
    if done.returncode < 0:
        return f"its process died by signal {-done.returncode}"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    for line in lines:
        if line.startswith(("Didn't find op", "Failed to", "Hybrid")):
            return line
    return lines[-1] if lines else f"exit status {done.returncode}"
