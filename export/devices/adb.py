"""An Android device behind the real `adb` of this computer."""

import os
import secrets
import shlex
import shutil
import time
from pathlib import Path

from keras_diffmask.errors import MissingDependencyError
from keras_diffmask.export.devices.adb_errors import explain, other_version, refused
from keras_diffmask.export.devices.process import run_process
from keras_diffmask.export.devices.shell import Answer, with_status

#: The one folder where a shell may both write and run programs: /sdcard and the
#: folders of apps forbid one or the other.
PARENT = "/data/local/tmp"
_SHORT = 20.0
#: adb restarts its server where that is of another version; USB takes a moment.
_SETTLE, _TRIES = 0.5, 8


class Adb:
    """One device, by its serial number.

    Made by `Adb.choose`. The program is the environment variable `ADB`, else
    the `adb` on `PATH`.

    Args:
        program: path of adb.
        serial: the device's serial number, or host:port.
    """

    def __init__(self, program: str, serial: str) -> None:
        self._program, self.serial = program, serial
        self.address = f"android:{serial}"

    @classmethod
    def choose(cls, serial: str | None = None) -> "Adb":
        """Finds the device.

        Args:
            serial: its number; by default `ANDROID_SERIAL`, else the only one.

        Returns:
            The connection.

        Raises:
            MissingDependencyError: adb is not installed.
            DeviceError: there is none, there are several, or it is locked.

        Example:
            >>> shell = Adb.choose()
            >>> shell.run("getprop ro.product.model", timeout=10).out
            'Pixel 8\\n'
        """
        program = find_adb()
        serial = serial or os.environ.get("ANDROID_SERIAL") or None
        restarted = False
        for _ in range(_TRIES):
            answer = run_process([program, "devices"], _SHORT, "`adb devices`")
            if answer.status != 0:
                raise explain(answer, serial or "android")
            restarted = restarted or other_version(answer)
            states = _states(answer.out)
            wanted = states if serial is None else {serial} & states.keys()
            if wanted or not restarted:
                break
            time.sleep(_SETTLE)
        if serial is None and len(states) == 1:
            (serial,) = states
        if serial is None or states.get(serial) != "device":
            raise refused(serial, states, restarted)
        return cls(program, serial)

    def run(self, command: str, timeout: float, doing: str = "a command") -> Answer:
        """See `Shell.run`."""

        def execute(line: str) -> Answer:
            words = self._words("shell", line)
            return run_process(words, timeout, f"{doing} on {self.serial}")

        answer, ended = with_status(command, execute)
        if not ended:
            raise explain(answer, self.serial)
        return answer

    def push(self, local: Path, remote: str, timeout: float) -> None:
        """See `Shell.push`."""
        # By status: adb 29 writes its summary to stdout, adb 36 to stderr.
        words = self._words("push", str(local.absolute()), remote)
        answer = run_process(words, timeout, f"the copy to {self.serial}")
        if answer.status != 0:
            raise explain(answer, self.serial)

    def pull(self, remote: str, local: Path, timeout: float) -> bool:
        """See `Shell.pull`."""
        words = self._words("pull", remote, str(local.absolute()))
        answer = run_process(words, timeout, f"the copy from {self.serial}")
        if answer.status == 0 and local.exists():
            return True
        self.run("true", _SHORT)  # gone, or only without such a file?
        return False

    def make_folder(self) -> str:
        """See `Shell.make_folder`."""
        folder = f"{PARENT}/keras_diffmask-{secrets.token_hex(8)}"
        answer = self.run(f"mkdir {folder}", _SHORT)
        if answer.status != 0:
            raise explain(answer, self.serial)
        return folder

    def has_shell_v2(self) -> bool:
        """Whether stderr comes apart from stdout, as since Android 7."""
        answer = run_process(self._words("features"), _SHORT, "`adb features`")
        return "shell_v2" in answer.out.split()

    def spell(self, command: str) -> str:
        """See `Shell.spell`."""
        return shlex.join(["adb", "-s", self.serial, "shell", command])

    def spell_push(self, local: str, remote: str) -> str:
        """See `Shell.spell_push`."""
        return shlex.join(["adb", "-s", self.serial, "push", local, remote])

    def _words(self, *words: str) -> list[str]:
        return [self._program, "-s", self.serial, *words]


def find_adb() -> str:
    """Path of the adb program: `$ADB`, else the one on `PATH`.

    Raises:
        MissingDependencyError: neither is a program.
    """
    given = os.environ.get("ADB")
    found = shutil.which(given or "adb")
    if found is None:
        raise MissingDependencyError(
            "adb, of Android's platform-tools, on PATH or in the variable ADB",
            "none" if given is None else f"ADB={given!r}, which is no program",
            "Install it (`apt install adb`, `brew install android-platform-tools`).",
        )
    return found


def _states(listing: str) -> dict[str, str]:
    """Serial number -> state, from `adb devices`."""
    states = {}
    for line in listing.splitlines():
        # Without the title, and without "* daemon started successfully".
        serial, tab, state = line.partition("\t")
        if tab and serial and not line.startswith("*"):
            # "no permissions (user in plugdev group; ...)" has more words.
            is_denied = state.startswith("no permissions")
            states[serial] = "no permissions" if is_denied else state.split()[0]
    return states
