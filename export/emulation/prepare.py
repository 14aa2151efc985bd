"""Makes the folder of an emulated Arm64 computer out of published packages."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from keras_diffmask.atomic import write_folder_atomically
from keras_diffmask.errors import (
    ArtifactError,
    ConversionError,
    MissingDependencyError,
)
from keras_diffmask.export.emulation.cores import CORES
from keras_diffmask.export.emulation.environment import (
    PLUGIN,
    SITE,
    VARIABLE,
    VERSION,
    default_folder,
    find_qemu,
)

#: What Python and the two wheels load, besides Python itself.
_LIBRARIES = ("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8")
_PYTHON = ("python{0}-minimal", "libpython{0}-minimal", "libpython{0}-stdlib")
_WHEELS = ("ai-edge-litert", "numpy")
_PLATFORMS = (
    "manylinux2014_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux_2_28_aarch64",
)
#: All that there is in a folder made here.
_PARTS = {"root", "cores", SITE, PLUGIN, VERSION}
_TOOLS = {"apt-get": "apt", "apt-cache": "apt", "dpkg": "dpkg", "gcc": "gcc"}


def prepare(
    folder: Path | None = None,
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Download an Arm64 Python, LiteRT and NumPy for it, and build the counter.

    Nothing is installed on this computer: packages of its own distribution
    (Debian or Ubuntu) are unpacked into the folder, with the wheels of the
    versions that are installed here.

    Args:
        folder: to make; by default in the user's cache.
        force: replace a folder that this made before.
        progress: called with the name of each step.

    Returns:
        The folder.

    Raises:
        MissingDependencyError: QEMU, apt, dpkg or gcc is missing.
        ArtifactError: the folder exists, or is something else.
        ConversionError: a package cannot be had.
    """
    find_qemu()
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise MissingDependencyError(
                f"{tool}, of Debian's or Ubuntu's package {package}",
                "none on the PATH",
                "Prepare the folder on such a machine and copy it.",
            )
    folder = (folder or default_folder()).absolute()
    if folder.exists() and not force:
        raise ArtifactError(
            "a folder that does not exist yet",
            f"{str(folder)!r}",
            "It is used as it is; pass --force to make it anew.",
        )
    _check_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return write_folder_atomically(
        folder, lambda made: _fill(made, progress or (lambda step: None))
    )


def _check_ours(folder: Path) -> None:
    """Refuses to replace a folder that holds more than this module writes."""
    if not folder.exists():
        return
    held = {entry.name for entry in folder.iterdir()} if folder.is_dir() else None
    if held is None or held - _PARTS or (held and not held >= {PLUGIN, VERSION}):
        named = ", ".join(map(repr, sorted(held - _PARTS)[:5])) if held else ""
        raise ArtifactError(
            "a folder that --prepare made, or an empty one, to replace with --force",
            f"{str(folder)!r}, which {f'holds {named}' if named else 'is another'}",
            f"Name another folder in {VARIABLE}; nothing was changed.",
        )


def _fill(made: Path, progress: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="keras_diffmask-") as scratch:
        progress("Debian packages")
        version = _unpack_system(made / "root", Path(scratch))
        progress("wheels")
        _unpack_wheels(made / SITE, Path(scratch), version)
    progress("the counter")
    source = Path(__file__).with_name("insncount.c")
    _run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(made / PLUGIN), str(source)])
    for core in CORES.values():
        _link_core(made / "cores" / core.name, core.cpuinfo())
    litert = importlib.metadata.version("ai-edge-litert")
    (made / VERSION).write_text(litert + "\n", "utf-8")


def _unpack_system(root: Path, scratch: Path) -> str:
    """Unpacks an Arm64 Python and its libraries; returns Python's version, "3.11"."""
    for part in ("lists/partial", "archives/partial", "debs"):
        (scratch / part).mkdir(parents=True)
    (scratch / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::State": str(scratch),
        "Dir::State::status": str(scratch / "status"),
        "Dir::Cache": str(scratch),
    }
    apt = [word for pair in options.items() for word in ("-o", "=".join(pair))]
    _run(["apt-get", "-qq", *apt, "update"])
    shown = _run(["apt-cache", *apt, "show", "--no-all-versions", "python3-minimal"])
    (line,) = [row for row in shown.splitlines() if row.startswith("Version: ")]
    version = ".".join(line.removeprefix("Version: ").split(".")[:2])
    names = [*_LIBRARIES, *(name.format(version) for name in _PYTHON)]
    _run(["apt-get", "-qq", *apt, "download", *names], scratch / "debs")
    for package in sorted((scratch / "debs").glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(root)])
    return version


def _unpack_wheels(site: Path, scratch: Path, python: str) -> None:
    wheels = scratch / "wheels"
    pinned = [f"{name}=={importlib.metadata.version(name)}" for name in _WHEELS]
    _run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        + ["--only-binary=:all:", "--implementation", "cp"]
        + [word for name in _PLATFORMS for word in ("--platform", name)]
        + ["--python-version", python, "-d", str(wheels), *pinned]
    )
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(site)


def _link_core(path: Path, cpuinfo: str) -> None:
    """A file system that is `root`, with the core's own text about the processor."""
    (path / "proc").mkdir(parents=True)
    (path / "proc" / "cpuinfo").write_text(cpuinfo, "ascii")
    for part in ("lib", "usr", "etc"):
        (path / part).symlink_to(Path("../../root") / part)


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise ConversionError(
            f"`{' '.join(command[:2])} ...` to succeed",
            f"exit status {done.returncode} ({said[-1] if said else 'no text'})",
            "Check the network and the package sources, then try again.",
        )
    return done.stdout
