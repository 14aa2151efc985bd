"""What a connection to a device can do, whatever cable it goes through."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keras_diffmask.errors import DeviceError


@dataclass(frozen=True)
class Answer:
    """How a command ended.

    Args:
        status: its exit status.
        out: what it wrote to stdout.
        err: what it wrote to stderr; part of `out` where a device does not
            keep them apart (Android before 7).
    """

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return f"{self.out}\n{self.err}"

    @property
    def reason(self) -> str:
        """The last line that says something, for an error's sentence."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1][:200] if lines else "no message"


class Shell(Protocol):
    """A device that runs commands and takes files."""

    #: The address that leads here, as `benchmark(device=)` takes it.
    address: str

    def run(self, command: str, timeout: float, doing: str = "a command") -> Answer:
        """Runs a command line in the device's shell.

        Args:
            command: the line; whoever makes it has quoted every word.
            timeout: seconds after which nobody waits any longer.
            doing: what it is for, in an error's sentence.

        Raises:
            DeviceError: the device is gone, refuses, or takes too long.
        """

    def push(self, local: Path, remote: str, timeout: float) -> None:
        """Copies a file to the device, under another name.

        Raises:
            DeviceError: no space, no permission, no device.
        """

    def pull(self, remote: str, local: Path, timeout: float) -> bool:
        """Copies a file from the device; False where it has no such file.

        Raises:
            DeviceError: the device is gone.
        """

    def make_folder(self) -> str:
        """Makes an empty folder that may hold programs; returns its path."""

    def spell(self, command: str) -> str:
        """The line that a person types here to run `command` there."""

    def spell_push(self, local: str, remote: str) -> str:
        """The line that a person types here to copy a file there."""


def with_status(command: str, execute: Callable[[str], Answer]) -> tuple[Answer, bool]:
    """Runs a command so that its end cannot be confused with the cable's.

    adb 29 ends with status 0 and no output when the cable is pulled, and before
    Android 7 every command ends with 0: neither says how the command ended. So
    the device itself writes it, behind a word that nobody can foresee.

    Args:
        command: the line.
        execute: runs a line, and returns what the client said.

    Returns:
        The answer, and whether the command came to an end at all; if not, the
        answer is the client's.
    """
    word = f"ended-{secrets.token_hex(8)}-"
    answer = execute(f"({command}); echo {word}$?")
    head, found, tail = answer.out.rpartition(word)
    status = re.match(r"\d+", tail)
    if not found or status is None:
        return answer, False
    return Answer(int(status[0]), head, answer.err), True


def remove_folder(shell: Shell, folder: str) -> None:
    """Ends what runs in a folder and takes the folder away.

    Not every daemon ends a command when its client is gone: `run_in` has left
    the number of the process.

    Raises:
        DeviceError: the device is gone; the folder may still be there.
    """
    kill = f"kill -9 $(cat {folder}/pid) 2>/dev/null"
    answer = shell.run(f"{kill}; rm -rf {folder}", timeout=20)
    if answer.status != 0:
        raise DeviceError(
            "the folder of the benchmark to be removed from the device",
            f"{folder} ({answer.reason})",
            "Remove it by hand.",
        )
