"""The memory that a microcontroller's interpreter needs for a model."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.dependencies import missing_tflm

# A child process: TFLM writes its report to the process's own stderr, and ends
# the process where a model breaks one of its assumptions.
_CHILD = """
import sys
from tflite_micro.python.tflite_micro import runtime
with open(sys.argv[1], "rb") as file:
    content = file.read()
runtime.Interpreter.from_bytes(content, arena_size=1 << 24).print_allocations()
"""
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


def tflm_arena_bytes(content: bytes) -> int:
    """Bytes of arena that TFLM's interpreter allocates for a model.

    Asked of the real interpreter on this computer, with its reference kernels:
    activations count as on the device, pointers are 8 bytes instead of 4, and
    scratch memory of a vendor's kernels is not in it. For ratios and as a first
    estimate; on the board, `arena_used_bytes()` is the truth.

    Args:
        content: bytes of a `.tflite` file.

    Returns:
        The total of both ends of the arena.

    Raises:
        MissingDependencyError: tflite-micro is not installed.
        ArtifactError: TFLM cannot run the model.

    Example:
        >>> tflm_arena_bytes(artifact.content)
        22560
    """
    with tempfile.TemporaryDirectory(prefix="keras_diffmask_") as folder:
        file = Path(folder) / "model.tflite"
        file.write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(file)],
            capture_output=True,
            text=True,
            errors="replace",
        )
    found = _TOTAL.search(done.stderr)
    if done.returncode == 0 and found:
        return int(found.group(1))
    if "No module named 'tflite_micro'" in done.stderr:
        raise missing_tflm()
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    raise ArtifactError(
        "a model that TFLM can run",
        f"{len(content)} bytes for which it says: {lines[-1]}",
        "Convert with quantization='int8' and target='cortex-m'.",
    )
