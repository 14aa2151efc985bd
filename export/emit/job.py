"""Runs the converter in a child process and turns its end into a result."""

import sys
from pathlib import Path
from typing import Any

from keras_diffmask.export.child import Wording, run_child

WORKER = "keras_diffmask.export.emit.worker"

# Names of what lies in the job directory, besides the child's report.
MODEL, SAMPLES, ORDER = "model.keras", "samples.npz", "order.json"
RESULT = "result.tflite"

LOOK = "Call again with verbose=True to see the converter's own messages."
_WORDING = Wording(
    who="the converter",
    hurry="Raise timeout=, or convert a smaller model.",
    relief="Free memory or convert a smaller model; yours is untouched.",
    crash="Look for a layer the converter has no operator for; your model is "
    "untouched.",
    look=LOOK,
)


def worker_command(job: Path) -> list[str]:
    """Returns the command that converts what lies in the directory `job`."""
    return [sys.executable, "-m", WORKER, str(job)]


def run_worker(job: Path, timeout: float | None, verbose: bool) -> dict[str, Any]:
    """Starts the worker, waits, and reads its report.

    Args:
        job: directory with the model and the order; the result comes there.
        timeout: seconds after which the child is killed; None waits for ever.
        verbose: let the child's messages through.

    Returns:
        The worker's report.

    Raises:
        DiffmaskError: the worker refused, or failed, and said why.
        ConversionError: it died without a word, or took too long.
    """
    command = worker_command(job)
    return run_child(command, job, _WORDING, timeout, verbose, forks=True)
