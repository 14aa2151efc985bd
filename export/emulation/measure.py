"""Counts instructions of models on emulated cores, and compares their answers."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.emulation.cores import CORES, find_core
from keras_diffmask.export.emulation.environment import Emulator, find_emulator
from keras_diffmask.export.emulation.guest import RESOLVERS, answers
from keras_diffmask.export.emulation.result import (
    CoreCount,
    InstructionCounts,
    ModelCounts,
)
from keras_diffmask.export.emulation.run import run_emulated
from keras_diffmask.export.interpreter import has_resources, make_interpreter
from keras_diffmask.export.machine import machine
from keras_diffmask.export.random_inputs import random_inputs

KERNELS = tuple(RESOLVERS)


def count_instructions(
    models: dict[str, bytes],
    cores: Sequence[str] = tuple(CORES),
    kernels: Sequence[str] = KERNELS,
    examples: int = 8,
    timeout: float = 600.0,
    emulator: Emulator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> InstructionCounts:
    """Run models on emulated Arm cores, one process per model, core and kernels.

    Args:
        models: bytes of `.tflite` files by name.
        cores: of `"cortex-a53"`, `"cortex-a72"` and `"cortex-a76"`.
        kernels: of `"xnnpack"`, LiteRT's default, and `"reference"`.
        examples: random inputs whose answers are compared with those of this
            computer's LiteRT with the same kernels, at least 1.
        timeout: seconds for one process.
        emulator: what runs them; by default what `prepare` left.
        progress: called with (processes done, processes in all).

    Returns:
        The counts; the same to the last instruction each time.

    Raises:
        MissingDependencyError: QEMU or the prepared folder is missing.
        InvalidArgumentError: an argument is not one of those.
        ConversionError: a process fails, or takes too long.
    """
    chosen = [find_core(core) for core in cores]
    if not chosen or examples < 1 or not set(kernels) <= set(KERNELS) or not kernels:
        raise InvalidArgumentError(
            f"a core, at least one example, and kernels of {', '.join(KERNELS)}",
            f"cores={cores!r}, examples={examples!r}, kernels={kernels!r}",
            "Leave them out for all.",
        )
    emulator = emulator or find_emulator()
    total = len(models) * len(chosen) * len(kernels)
    done, found = 0, []
    for name, content in models.items():
        inputs = _examples(content, examples)
        ours = {kind: _answers(content, inputs, kind) for kind in kernels}
        counts = []
        for core in chosen:
            for kind in kernels:
                words = (kind, timeout, repr(name), has_resources(content))
                theirs = run_emulated(emulator, core, content, inputs, *words)
                wrong = _differences(ours[kind], theirs.outputs)
                counts.append(CoreCount(core.name, kind, theirs.instructions, *wrong))
                done += 1
                if progress is not None:
                    progress(done, total)
        found.append(ModelCounts(name, len(content), tuple(counts)))
    return InstructionCounts(
        models=tuple(found),
        examples=examples,
        qemu=emulator.version,
        machine=machine(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _examples(content: bytes, examples: int) -> list[np.ndarray]:
    interpreter = make_interpreter(content)
    details = interpreter.get_input_details()
    drawn = [random_inputs(details, seed) for seed in range(examples)]
    return [np.concatenate(column) for column in zip(*drawn, strict=True)]


def _answers(
    content: bytes, inputs: list[np.ndarray], kernels: str
) -> list[np.ndarray]:
    """What LiteRT on this computer answers."""

    def start() -> Any:
        interpreter = make_interpreter(content, kernels == "reference")
        interpreter.allocate_tensors()
        return interpreter

    return answers(start(), inputs, start if has_resources(content) else None)


def _differences(
    ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]
) -> tuple[int, int, float, float]:
    """Values that differ in any bit, values in all, and by how much they differ."""
    differing = values = 0
    largest = relative = 0.0
    for a, b in zip(ours, theirs, strict=True):
        # NaN equals NaN here, and 0.0 is another answer than -0.0.
        same = a.view(f"u{a.itemsize}") == b.view(f"u{b.itemsize}")
        differing += int((~same).sum())
        values += a.size
        if not same.all():
            apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
            largest = max(largest, float(np.nanmax(apart)))
            peak = max(float(np.nanmax(np.abs(a.astype(np.float64)))), 1e-30)
            relative = max(relative, float(np.nanmax(apart)) / peak)
    return differing, values, largest, relative
