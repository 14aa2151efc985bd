"""A Linux board behind the real `ssh` and `scp` of this computer."""

import re
import shlex
import shutil
from pathlib import Path

from keras_diffmask.errors import (
    DeviceError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export.devices.process import run_process
from keras_diffmask.export.devices.shell import Answer, with_status

#: No name may start like an option, or hold what a shell reads.
_HOST = re.compile(
    r"(?P<host>(?:[A-Za-z0-9_][\w.-]*@)?(?:[A-Za-z0-9_][\w.-]*|\[[0-9a-fA-F:]+\]))"
    r"(?::(?P<port>\d{1,5}))?"
)
_FOLDER = re.compile(r"(?:/[\w.-]+)+")
#: Never a question for a password: there may be nobody to answer it.
_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
_SHORT = 30.0
_KEY = "Check that `ssh {host} true` works without a password (ssh-copy-id)."


class Ssh:
    """One board, by the name that ssh knows it by.

    Args:
        address: `user@host`, `host`, or either with `:port`; IPv6 in brackets.
            A name from your ssh configuration works as well.

    Raises:
        InvalidArgumentError: it is none of these.
        MissingDependencyError: ssh or scp is not installed.

    Example:
        >>> Ssh("pi@raspberrypi.local").run("uname -m", timeout=10).out
        'aarch64\\n'
    """

    def __init__(self, address: str) -> None:
        match = _HOST.fullmatch(address)
        if match is None:
            raise InvalidArgumentError(
                'device="ssh:user@host" or "ssh:user@host:port"',
                f"device={'ssh:' + address!r}",
                "Write for example ssh:pi@raspberrypi.local.",
            )
        self.address = f"ssh:{address}"
        self._host, self._port = match["host"], match["port"]
        # ssh takes an IPv6 address bare, scp in brackets.
        self._bare = self._host.replace("[", "").replace("]", "")
        for program in ("ssh", "scp"):
            if shutil.which(program) is None:
                raise MissingDependencyError(
                    f"{program} on PATH", "none", "Install the OpenSSH client."
                )

    def run(self, command: str, timeout: float, doing: str = "a command") -> Answer:
        """See `Shell.run`."""

        def execute(line: str) -> Answer:
            return run_process(self._ssh(line), timeout, f"{doing} on {self._host}")

        answer, ended = with_status(command, execute)
        if not ended:
            raise self._lost(answer)
        return answer

    def push(self, local: Path, remote: str, timeout: float) -> None:
        """See `Shell.push`."""
        words = self._scp(str(local.absolute()), f"{self._host}:{remote}")
        answer = run_process(words, timeout, f"the copy to {self._host}")
        if answer.status == 0:
            return
        if "no space left" in answer.text.lower():
            raise DeviceError(
                "space for the models on the board",
                f"{self._host} with no space left",
                "Free some storage there.",
            )
        raise self._lost(answer)

    def pull(self, remote: str, local: Path, timeout: float) -> bool:
        """See `Shell.pull`."""
        words = self._scp(f"{self._host}:{remote}", str(local.absolute()))
        answer = run_process(words, timeout, f"the copy from {self._host}")
        if answer.status == 0 and local.exists():
            return True
        self.run("true", _SHORT)  # gone, or only without such a file?
        return False

    def make_folder(self) -> str:
        """See `Shell.make_folder`."""
        answer = self.run("mktemp -d", _SHORT)
        folder = answer.out.strip()
        # It will be removed with all that is in it: be sure what it is.
        if answer.status != 0 or not _FOLDER.fullmatch(folder):
            raise DeviceError(
                "a new folder from `mktemp -d` on the board",
                answer.reason,
                "Check that its temporary folder can be written.",
            )
        return folder

    def spell(self, command: str) -> str:
        """See `Shell.spell`."""
        port = ["-p", self._port] if self._port else []
        return shlex.join(["ssh", *port, self._bare, command])

    def spell_push(self, local: str, remote: str) -> str:
        """See `Shell.spell_push`."""
        port = ["-P", self._port] if self._port else []
        return shlex.join(["scp", *port, local, f"{self._host}:{remote}"])

    def _ssh(self, line: str) -> list[str]:
        port = ["-p", self._port] if self._port else []
        return ["ssh", *_OPTIONS, *port, "--", self._bare, line]

    def _scp(self, source: str, target: str) -> list[str]:
        port = ["-P", self._port] if self._port else []
        return ["scp", "-q", *_OPTIONS, *port, "--", source, target]

    def _lost(self, answer: Answer) -> DeviceError:
        return DeviceError(
            f"a board that answers ssh, {self._host}",
            f"none ({answer.reason})",
            _KEY.format(host=self._host),
        )
