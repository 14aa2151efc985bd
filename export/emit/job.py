"""Runs the converter in a child process and turns its end into a result.

The converter can die with a segmentation fault or eat all memory, and a
notebook must survive that. `multiprocessing` would import the user's main
script again; a plain `python -m` does not.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from keras_diffmask import errors
from keras_diffmask.errors import ConversionError

WORKER = "keras_diffmask.export.emit.worker"

# Names of what lies in the job directory.
MODEL, SAMPLES, ORDER = "model.keras", "samples.npz", "order.json"
RESULT, REPORT, LOG = "result.tflite", "report.json", "log.txt"

_LOOK = "Call again with verbose=True to see the converter's own messages."


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
    with open(job / LOG, "wb") as log:
        child = subprocess.Popen(
            worker_command(job),
            cwd=job,
            env=_environment(job),
            stdin=subprocess.DEVNULL,
            stdout=None if verbose else log,
            stderr=None if verbose else subprocess.STDOUT,
        )
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ConversionError(
                f"the converter to finish within {timeout:g} seconds",
                "no result by then",
                "Raise timeout=, or convert a smaller model.",
            ) from None
        finally:
            # Also on KeyboardInterrupt: no converter is left running unseen.
            if child.poll() is None:
                child.kill()
                child.wait()
    report = _read_report(job / REPORT)
    if "error" in report:
        raise _rebuild(report["error"])
    if status != 0:
        raise _describe_death(status)
    if not report:
        raise ConversionError(
            "a result from the converter process", "none, though it ended well", _LOOK
        )
    return report


def _environment(job: Path) -> dict[str, str]:
    environment = dict(os.environ)
    # What the parent can import the child can, installed or not.
    root = str(Path(errors.__file__).parent.parent)
    path = [root, *(os.path.abspath(entry) for entry in sys.path if entry)]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
    environment["KERAS_BACKEND"] = "tensorflow"
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # Set by tensorflow_model_optimization on import: tf.keras would be Keras 2.
    environment.pop("TF_USE_LEGACY_KERAS", None)
    # The converter gains nothing from a GPU, and would reserve all its memory.
    environment["CUDA_VISIBLE_DEVICES"] = "-1"
    # A killed child cannot tidy up: its temporary files go with the job's.
    environment["TMPDIR"] = str(job)
    return environment


def _read_report(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _rebuild(error: dict[str, str]) -> errors.DiffmaskError:
    kind = getattr(errors, error["type"])
    return kind(error["expected"], error["received"], error["next_step"])


def _describe_death(status: int) -> ConversionError:
    expected = "the converter process to finish"
    if status >= 0:
        return ConversionError(expected, f"exit status {status}", _LOOK)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL":
        return ConversionError(
            expected,
            "its death by SIGKILL (most often the system ran out of memory)",
            "Free memory or convert a smaller model; yours is untouched.",
        )
    return ConversionError(
        expected,
        f"its death by {name}",
        "Look for a layer the converter has no operator for; your model is untouched.",
    )
