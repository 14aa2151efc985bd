"""A child process that does a job in a directory, and what its end means.

TensorFlow's converter can die with a segmentation fault, and importing Keras 2
changes the whole process: neither may happen where the user's notebook runs.
`multiprocessing` would import the user's main script again; a plain `python -m`
does not.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_diffmask import errors
from keras_diffmask.errors import ConversionError, DiffmaskError
from keras_diffmask.export import fork_server

#: Names of what every child leaves in its job directory.
REPORT, LOG = "report.json", "log.txt"
#: What does a job: started anew, or forked.
Child = subprocess.Popen[bytes] | fork_server.Fork
#: Seconds between two looks at a child that is watched.
POLL = 0.5


@dataclass(frozen=True)
class Wording:
    """How errors speak of a child.

    Args:
        who: what the child is, such as "the converter".
        hurry: what to do where it takes too long.
        relief: what to do where it ran out of memory.
        crash: what to do where it was killed by another signal.
        look: what to do where nothing else is known.
    """

    who: str
    hurry: str
    relief: str
    crash: str
    look: str


def run_child(
    command: list[str],
    job: Path,
    wording: Wording,
    timeout: float | None = None,
    verbose: bool = False,
    forks: bool = False,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Starts the child, waits, and reads its report.

    Args:
        command: the child's command line.
        job: the directory that it works in; its temporary files go there too.
        wording: how errors speak of it.
        timeout: seconds after which it is killed; None waits for ever.
        verbose: let its messages through.
        forks: where the command runs a module of this library: whether a fork of
            a process that has imported it already may do the job instead.
        environment: the child's; by default one in which it imports what this
            process can.
        watch: called from time to time while it works.

    Returns:
        Its report.

    Raises:
        DiffmaskError: the child refused, or failed, and said why.
        ConversionError: it died without a word, or took too long.
    """
    # A job that is begun again may hold what the first attempt has reported.
    (job / REPORT).unlink(missing_ok=True)
    child = _start(command, job, verbose, forks, environment)
    try:
        status = _wait(child, timeout, watch)
    except subprocess.TimeoutExpired:
        raise ConversionError(
            f"{wording.who} to finish within {timeout:g} seconds",
            "no result by then",
            wording.hurry,
        ) from None
    finally:
        # Also on KeyboardInterrupt: no child is left running unseen.
        if child.poll() is None:
            child.kill()
            child.wait()
    report = _read_report(job / REPORT)
    if "error" in report:
        raise _rebuild(report["error"])
    if status != 0:
        raise _describe_death(status, wording)
    if not report:
        raise ConversionError(
            f"a result from {wording.who} process",
            "none, though it ended well",
            wording.look,
        )
    return report


def _start(
    command: list[str],
    job: Path,
    verbose: bool,
    forks: bool,
    given: Mapping[str, str] | None,
) -> Child:
    environment = _environment(job) if given is None else dict(given)
    # What is to be seen goes to this process' own stdout, which no fork has.
    if forks and not verbose and command[:2] == [sys.executable, "-m"]:
        fork = fork_server.start(command[2], environment, job, job / LOG)
        if fork is not None:
            return fork
    with open(job / LOG, "wb") as log:
        return subprocess.Popen(
            command,
            cwd=job,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=None if verbose else log,
            stderr=None if verbose else subprocess.STDOUT,
        )


def _wait(child: Child, timeout: float | None, watch: Callable[[], None] | None) -> int:
    if watch is None:
        return child.wait(timeout)
    started = time.monotonic()
    while True:
        try:
            return child.wait(POLL)
        except subprocess.TimeoutExpired:
            watch()
            if timeout is not None and time.monotonic() - started > timeout:
                raise


def answer(
    job: Path,
    work: Callable[[Path], dict[str, Any]],
    translate: Callable[[Exception], DiffmaskError],
) -> int:
    """In the child: does the job and leaves a report, or an error to raise again.

    Args:
        job: the directory.
        work: does the job in it; returns the report.
        translate: makes a sentence of what a foreign library raises.

    Returns:
        The exit status.
    """
    try:
        report = work(job)
    except DiffmaskError as error:
        report = {"error": _described(error)}
    except Exception as error:  # whatever TensorFlow or Keras raises
        traceback.print_exc()  # to the log, or to the user with verbose=True
        report = {"error": _described(translate(error))}
    (job / REPORT).write_text(json.dumps(report), encoding="utf-8")
    return 1 if "error" in report else 0


def _described(error: DiffmaskError) -> dict[str, str]:
    return {
        "type": type(error).__name__,
        "expected": error.expected,
        "received": error.received,
        "next_step": error.next_step,
    }


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
    # The children gain nothing from a GPU, and would reserve all its memory.
    environment["CUDA_VISIBLE_DEVICES"] = "-1"
    # A killed child cannot tidy up: its temporary files go with the job's.
    environment["TMPDIR"] = str(job)
    return environment


def _read_report(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _rebuild(error: dict[str, str]) -> DiffmaskError:
    kind = getattr(errors, error["type"])
    return kind(error["expected"], error["received"], error["next_step"])


def _describe_death(status: int, wording: Wording) -> ConversionError:
    expected = f"{wording.who} process to finish"
    if status >= 0:
        return ConversionError(expected, f"exit status {status}", wording.look)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL":
        return ConversionError(
            expected,
            "its death by SIGKILL (most often the system ran out of memory)",
            wording.relief,
        )
    return ConversionError(expected, f"its death by {name}", wording.crash)
