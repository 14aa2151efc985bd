"""What a time was measured on: a time without its machine means nothing."""

import dataclasses
import importlib.metadata
import os
import platform
from pathlib import Path

LIBRARIES = ("ai-edge-litert", "keras", "tensorflow", "jax", "torch", "numpy")


@dataclasses.dataclass(frozen=True)
class Machine:
    """The machine and the software on which the times were taken.

    Args:
        cpu: model name of the processor.
        cores: logical cores this process may use.
        system: operating system and its release.
        python: version of the interpreter.
        libraries: package name -> version.
    """

    cpu: str
    cores: int
    system: str
    python: str
    libraries: dict[str, str]


def machine() -> Machine:
    """Describes this computer.

    Returns:
        Processor, cores this process may use, system and library versions.
        Versions are read from package metadata, so nothing is imported.
    """
    return Machine(
        cpu=_cpu_name(),
        cores=_cores(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        libraries=_versions(),
    )


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model"):
                return value.strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine() or "unknown"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        # A container or `taskset` may leave fewer cores than there are.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
