"""A folder on a device with the tool and the models in it, and runs there."""

import contextlib
import shlex
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from keras_diffmask.errors import DeviceError
from keras_diffmask.export.benchmark_model import (
    Binary,
    Figures,
    Request,
    read_output,
    read_result,
)
from keras_diffmask.export.devices import Answer, Shell
from keras_diffmask.export.devices.shell import remove_folder

RESULT, OPS = "result.pb", "ops.csv"
#: Leaves the process' number, for whoever has to end it.
_NUMBERED = "sh -c 'echo $$ >pid && exec \"$@\"' sh"
_SHORT = 20.0
_SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL"} | {
    11: "SIGSEGV"
}
_NO_PROGRAM = (126, 127)
#: Says nothing more than the exit status does: the tool's, the shell's.
_KNOWN = ("ERROR: Benchmarking failed", "Segmentation fault", "Aborted", "Killed")


class Session:
    """What `open_session` has prepared.

    Args:
        shell: the device.
        folder: on it.
        cores: mask to run on; None for all.
        timeout: seconds for one run of the tool.
    """

    def __init__(
        self, shell: Shell, folder: str, cores: str | None, timeout: float
    ) -> None:
        self.shell, self.folder = shell, folder
        self.cores, self.timeout = cores, timeout

    def run(self, request: Request, label: str) -> tuple[Figures, Answer]:
        """Runs the tool once.

        Args:
            request: how.
            label: name of the model, for an error's sentence.

        Returns:
            What it printed, and the text itself.

        Raises:
            DeviceError: the device is gone, the tool failed, took too long, or
                printed what cannot be read.
        """
        pinned = ["taskset", self.cores] if self.cores is not None else []
        words = shlex.join([*pinned, "./benchmark_model", *request.words()])
        # What lies there from the run before must not pass for this one's.
        fresh = f"cd {self.folder} && rm -f {RESULT} {OPS}"
        # Nor may a number stay behind that another process may get.
        after = f"s=$?; rm -f {self.folder}/pid; exit $s"
        line = f"{fresh} && {_NUMBERED} {words}; {after}"
        answer = self.shell.run(line, self.timeout, f"benchmark_model of {label!r}")
        if answer.status != 0:
            raise _failure(answer, label)
        figures = read_output(answer.out, answer.err)
        if request.result is not None:
            data = self.fetch(RESULT)
            with contextlib.suppress(DeviceError):  # damaged: the text has it all
                figures = replace(figures, **read_result(data))
        return figures, answer

    def push(self, name: str, content: bytes) -> None:
        """Copies a file into the folder.

        Raises:
            DeviceError: the device is gone, or has no space.
        """
        with tempfile.TemporaryDirectory() as here:
            local = Path(here) / name
            local.write_bytes(content)
            self.shell.push(local, f"{self.folder}/{name}", self.timeout)

    def fetch(self, name: str) -> bytes:
        """A file that the tool wrote; empty where it did not."""
        with tempfile.TemporaryDirectory() as here:
            local = Path(here) / name
            remote = f"{self.folder}/{name}"
            if not self.shell.pull(remote, local, _SHORT):
                return b""
            return local.read_bytes()


@contextlib.contextmanager
def open_session(
    shell: Shell,
    binary: Binary,
    models: Mapping[str, bytes],
    cores: str | None,
    timeout: float,
) -> Iterator[Session]:
    """Copies everything to a new folder, and removes it whatever happens.

    Args:
        shell: the device.
        binary: the tool.
        models: bytes by the file's name on the device.
        cores: mask to run on; None for all.
        timeout: seconds for one copy, and for one run.

    Raises:
        DeviceError: see `Session.run`; where the device was lost, the sentence
            names the folder that may be left on it.
    """
    folder = shell.make_folder()
    try:
        session = Session(shell, folder, cores, timeout)
        _push(session, binary, models)
        yield session
    except BaseException as error:
        try:
            with _undisturbed():
                remove_folder(shell, folder)
        except DeviceError:
            if isinstance(error, DeviceError):
                raise _with_folder(error, folder) from error
        raise
    with _undisturbed():
        remove_folder(shell, folder)


def _push(session: Session, binary: Binary, models: Mapping[str, bytes]) -> None:
    tool = f"{session.folder}/benchmark_model"
    session.shell.push(binary.path, tool, session.timeout)
    # The copy has the mode that the file has here.
    answer = session.shell.run(f"chmod 755 {tool}", _SHORT)
    if answer.status != 0:
        raise DeviceError(
            "a program that may be run on the device", answer.reason, "Look at it."
        )
    for name, content in models.items():
        session.push(name, content)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: whoever presses it twice still leaves nothing behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _with_folder(error: DeviceError, folder: str) -> DeviceError:
    step = f"{error.next_step} {folder} may still be on it."
    told = DeviceError(error.expected, error.received, step)
    told.partial = error.partial
    return told


def _failure(answer: Answer, label: str) -> DeviceError:
    """The tool's own failure, as a sentence."""
    expected = f"benchmark_model to run {label!r}"
    said = [
        line.strip()
        for line in answer.text.splitlines()
        if line.strip() and not line.startswith(_KNOWN)
    ]
    reason = said[-1][:200] if said else "no message"
    if answer.status in _NO_PROGRAM:
        return DeviceError(
            "a benchmark_model that the device can start",
            reason,
            "Take the one for its ABI and system, and a device of 64 bits for 64.",
        )
    if answer.status > 128:
        number = answer.status - 128
        name = _SIGNALS.get(number, f"signal {number}")
        step = "Try the model with device='host', and another build of the tool."
        if name == "SIGKILL":
            step = "Most often the memory ran out: close apps, or take a smaller model."
        return DeviceError(expected, f"its death by {name} ({reason})", step)
    return DeviceError(
        expected,
        f"exit status {answer.status} ({reason})",
        "Try the model with device='host', which checks its operations.",
    )
