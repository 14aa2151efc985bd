"""The tool's program: where it lies, and what it was built for."""

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_diffmask.errors import ArtifactError, DeviceError, InvalidArgumentError

#: A path to it; before the cache folder.
VARIABLE = "KERAS_DIFFMASK_BENCHMARK_MODEL"
_CACHE = Path(".cache/keras_diffmask/benchmark_model")
_NIGHTLY = (
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/"
    "lite/tools/nightly/latest/{}_benchmark_model"
)
#: ABI -> Google's name for it in the address above; others have to be built.
_PUBLISHED = {
    "arm64-v8a": "android_aarch64",
    "armeabi-v7a": "android_arm",
    "linux-aarch64": "linux_aarch64",
    "linux-arm": "linux_arm",
    "linux-x86_64": "linux_x86-64",
}
#: ELF's number of a processor -> (Android's ABIs, Linux' name).
_MACHINES = {
    183: ("arm64-v8a", "linux-aarch64"),
    40: ("armeabi-v7a", "linux-arm"),
    62: ("x86_64", "linux-x86_64"),
    3: ("x86", "linux-i686"),
    243: ("riscv64", "linux-riscv64"),
}
_INTERPRETER = 3  # PT_INTERP: the loader that a program asks for


@dataclass(frozen=True)
class Binary:
    """A program that is there.

    Args:
        path: on this computer.
        sha256: of the file, in hexadecimal.
        bytes: its size.
    """

    path: Path
    sha256: str
    bytes: int


def find_binary(path: str | os.PathLike[str] | None, abis: Sequence[str]) -> Binary:
    """Finds the tool for a device, and checks that it can run there.

    Args:
        path: of the tool; by default what the environment variable
            `KERAS_DIFFMASK_BENCHMARK_MODEL` names, else
            `~/.cache/keras_diffmask/benchmark_model/<abi>/benchmark_model`.
        abis: what the device's programs may be made for, the best first.

    Returns:
        The program.

    Raises:
        ArtifactError: there is none, or it is none.
        DeviceError: it was built for another processor or system.
    """
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise InvalidArgumentError(
            "benchmark_model as a path", f"{path!r}", "Pass the path of the tool."
        )
    given = path or os.environ.get(VARIABLE) or _cached(abis)
    if given is None:
        raise ArtifactError(
            "Google's benchmark_model for this device",
            f"none, neither benchmark_model= nor ${VARIABLE} nor "
            f"{Path('~') / _CACHE / _first(abis) / 'benchmark_model'}",
            _where(abis),
        )
    try:
        content = Path(given).read_bytes()
    except OSError as error:
        raise ArtifactError(
            "the program benchmark_model",
            f"{str(given)!r} ({error.strerror or error})",
            _where(abis),
        ) from error
    _check(content, str(given), abis)
    digest = hashlib.sha256(content).hexdigest()
    return Binary(Path(given), digest, len(content))


def _cached(abis: Sequence[str]) -> Path | None:
    paths = (Path.home() / _CACHE / abi / "benchmark_model" for abi in abis)
    return next((path for path in paths if path.is_file()), None)


def _first(abis: Sequence[str]) -> str:
    return abis[0] if abis else "unknown"


def _where(abis: Sequence[str]) -> str:
    for abi in abis:
        if abi in _PUBLISHED:
            return (
                f"Google publishes it for {abi} at {_NIGHTLY.format(_PUBLISHED[abi])}."
            )
    return (
        f"Google publishes none for {_first(abis)}: build it with `bazel build -c opt "
        "//tflite/tools/benchmark:benchmark_model` from LiteRT's repository."
    )


def _check(content: bytes, path: str, abis: Sequence[str]) -> None:
    if content[:2] == b"#!":
        return  # a script around the tool: its interpreter decides
    made_for = abi_of(content)
    if made_for is None:
        raise ArtifactError(
            "the program benchmark_model (an ELF file)",
            f"{path!r}, which is none",
            _where(abis),
        )
    if abis and not set(made_for) & set(abis):
        raise DeviceError(
            f"a benchmark_model built for {' or '.join(abis)}",
            f"{path!r} built for {' or '.join(made_for)}",
            _where(abis),
        )


def abi_of(content: bytes) -> tuple[str, ...] | None:
    """What a program was built for, by its ELF header.

    Args:
        content: of the file.

    Returns:
        Names as in `DeviceFacts.abis`: one, or two where the file does not say
        for which system (a static one runs on either). None for no ELF file.
    """
    if content[:4] != b"\x7fELF" or len(content) < 64:
        return None
    order = "<" if content[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", content, 18)
    names = _MACHINES.get(machine)
    if names is None:
        return (f"ELF machine {machine}",)
    loader = _loader(content, order)
    if not loader:
        return names
    return names[:1] if b"/system/" in loader or b"/apex/" in loader else names[1:]


def _loader(content: bytes, order: str) -> bytes:
    """The path of the loader that a program asks for; empty for a static one."""
    is_wide = content[4] == 2
    table, size, count = (
        (
            *struct.unpack_from(f"{order}Q", content, 32),
            *struct.unpack_from(f"{order}HH", content, 54),
        )
        if is_wide
        else (
            *struct.unpack_from(f"{order}I", content, 28),
            *struct.unpack_from(f"{order}HH", content, 42),
        )
    )
    for place in range(table, table + size * count, size or 1):
        if place + 56 > len(content):
            break
        (kind,) = struct.unpack_from(f"{order}I", content, place)
        if kind == _INTERPRETER:
            form, at = (f"{order}Q", 8) if is_wide else (f"{order}I", 4)
            (start,) = struct.unpack_from(form, content, place + at)
            return content[start : start + 64].split(b"\0")[0]
    return b""
