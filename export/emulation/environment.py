"""Where QEMU, an Arm64 Python and LiteRT for it lie on this computer."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from keras_diffmask.errors import ArtifactError, MissingDependencyError
from keras_diffmask.export.emulation.cores import Core

VARIABLE = "KERAS_DIFFMASK_ARM64"
PREPARE = "keras-diffmask benchmark --device arm64-emulated --prepare"
#: What QEMU is called with user-mode emulation of Arm64.
_NAMES = ("qemu-aarch64", "qemu-aarch64-static")
#: Of the folder: LiteRT and NumPy for Arm64, the plugin, and what there is of cores.
SITE, PLUGIN, VERSION = "site", "insncount.so", "litert-version"


@dataclass(frozen=True)
class Emulator:
    """A folder that `prepare` made, and the QEMU that runs what is in it.

    Args:
        qemu: path of QEMU's binary.
        folder: the prepared folder.
        python: the Arm64 Python in it.
        version: QEMU's version.
    """

    qemu: Path
    folder: Path
    python: Path
    version: str

    def command(self, core: Core, counts: Path, *arguments: str) -> list[str]:
        """The command line of a Python on an emulated core.

        Args:
            core: what to emulate.
            counts: file that the plugin writes.
            arguments: for Python.
        """
        # SYS_getppid on aarch64, the marker that guest.py gives.
        files = (str(self.folder / PLUGIN), f"out={counts}")
        # A comma ends an argument; doubled, it stands for itself.
        plugin = ",".join((*(name.replace(",", ",,") for name in files), "marker=173"))
        variables = {
            "PYTHONPATH": str(self.folder / SITE),
            "PYTHONDONTWRITEBYTECODE": "1",
            # Counts repeat only where dicts are laid out alike.
            "PYTHONHASHSEED": "0",
        }
        given = [f"{name}={value}" for name, value in variables.items()]
        return [
            str(self.qemu),
            *("-cpu", core.name),
            *("-L", str(self.folder / "cores" / core.name)),
            *("-plugin", plugin),
            *(word for pair in given for word in ("-E", pair)),
            str(self.python),
            *arguments,
        ]


def default_folder() -> Path:
    """Where the emulator lies: `$KERAS_DIFFMASK_ARM64`, or in the user's cache."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "keras_diffmask" / "arm64"


def find_qemu() -> Path:
    """QEMU's user-mode emulator of Arm64.

    Raises:
        MissingDependencyError: it is not installed, or this is not Linux.
    """
    if platform.system() != "Linux":
        raise MissingDependencyError(
            "Linux, the one system whose programs QEMU's user mode runs",
            platform.system(),
            'Use device="android" with a phone, or a Linux machine.',
        )
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise MissingDependencyError(
        "qemu-aarch64 on the PATH, which emulates an Arm64 core",
        "none",
        "Install it: `apt-get install qemu-user` on Debian and Ubuntu.",
    )


def find_emulator(folder: Path | None = None) -> Emulator:
    """What `prepare` left, checked.

    Args:
        folder: where it lies; by default as `default_folder` says.

    Raises:
        MissingDependencyError: QEMU or the folder is missing.
        ArtifactError: the folder holds another LiteRT than is installed here.
    """
    qemu = find_qemu()
    folder = (folder or default_folder()).absolute()
    pythons = sorted(folder.glob("root/usr/bin/python3.*[0-9]"))
    if not pythons or not (folder / PLUGIN).is_file():
        raise MissingDependencyError(
            f"an Arm64 Python with LiteRT in {str(folder)!r}",
            "none there",
            f"Run `{PREPARE}` once (70 MB of downloads, on Debian or Ubuntu), or name "
            f"a prepared folder in {VARIABLE}.",
        )
    theirs = (folder / VERSION).read_text("utf-8").strip()
    ours = importlib.metadata.version("ai-edge-litert")
    if theirs != ours:
        raise ArtifactError(
            f"the emulator to have the LiteRT that is installed here, {ours}",
            f"{theirs} in {str(folder)!r}",
            f"Run `{PREPARE} --force`.",
        )
    return Emulator(qemu, folder, pythons[-1], qemu_version(qemu))


def qemu_version(qemu: Path) -> str:
    """Such as `"7.2.22"`."""
    text = subprocess.run([str(qemu), "--version"], capture_output=True, text=True)
    words = text.stdout.split()
    return words[words.index("version") + 1] if "version" in words else "unknown"
