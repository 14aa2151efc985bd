"""One model on one emulated core: its answers, and the instructions of a call."""

import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.emulation.cores import Core
from keras_diffmask.export.emulation.environment import Emulator

#: Invocations that are counted; Python's own few hundred instructions around
#: one differ, so the one in the middle is taken.
_RUNS = 5


@dataclass(frozen=True)
class Emulated:
    """What one process found.

    Args:
        instructions: of one invocation.
        outputs: of each example, one array per output.
    """

    instructions: int
    outputs: tuple[np.ndarray, ...]


def run_emulated(
    emulator: Emulator,
    core: Core,
    content: bytes,
    inputs: list[np.ndarray],
    kernels: str,
    timeout: float,
    label: str,
    resources: bool = False,
) -> Emulated:
    """Runs a model on an emulated core, in a process of its own, on one thread.

    Args:
        emulator: what runs it.
        core: the core.
        content: bytes of the `.tflite` file.
        inputs: one array per input, an example per row.
        kernels: `"xnnpack"`, LiteRT's default, or `"reference"`.
        timeout: seconds after which it is given up.
        label: what to call the model in an error.
        resources: whether the model has resource variables.

    Raises:
        ConversionError: the process fails, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="keras_diffmask-") as made:
        job = Path(made)
        (job / "model.tflite").write_bytes(content)
        arrays: dict[str, Any] = {f"x{k}": x for k, x in enumerate(inputs)}
        np.savez(job / "inputs.npz", **arrays)
        guest = str(Path(__file__).with_name("guest.py"))
        counts = job / "counts.txt"
        words = (str(job), kernels, str(_RUNS), str(int(resources)))
        command = emulator.command(core, counts, guest, *words)
        _finish(command, timeout, f"{label} on an emulated {core.name}")
        marks = [int(line) for line in counts.read_text("ascii").split()]
        with np.load(job / "outputs.npz") as found:
            outputs = tuple(found[name] for name in sorted(found, key=_number))
    # Python asks for its parent's number nowhere else; were that to change, the
    # differences would be those of other things.
    if len(marks) != 2 * _RUNS:
        raise ConversionError(
            f"{2 * _RUNS} marks in the count of instructions",
            f"{len(marks)}",
            "Please report it, with the versions of QEMU and Python.",
        )
    spent = [end - start for start, end in zip(marks[::2], marks[1::2], strict=True)]
    return Emulated(int(statistics.median(spent)), outputs)


def _number(name: str) -> int:
    return int(name.removeprefix("y"))


def _finish(command: list[str], timeout: float, what: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise ConversionError(
            f"{what} to finish within {timeout:g} seconds",
            "no result by then",
            "Pass a larger timeout, or fewer examples.",
        ) from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise ConversionError(
            f"{what} to run",
            f"exit status {done.returncode} ({said[-1] if said else 'no text'})",
            "Plugins of QEMU 6.0 to 8.2 count; LiteRT must be able to run the model.",
        )
