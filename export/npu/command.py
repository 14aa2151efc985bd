"""`vela`: compiles a model for an Ethos-U in a child process."""

import dataclasses
import importlib.metadata
import importlib.util
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.hybrid import hybrid_op
from keras_diffmask.export.npu.estimate import VelaEstimate, read_estimate

#: Accelerators that Vela 5 knows.
CONFIGS = (
    *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
    *(f"ethos-u65-{macs}" for macs in (256, 512)),
    *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
)


def vela(
    artifact: Artifact,
    config: str = "ethos-u55-128",
    system: str | None = None,
    memory_mode: str | None = None,
    timeout: float | None = 600.0,
) -> VelaEstimate:
    """Asks Arm's Vela compiler how a model would run on an Ethos-U.

    Vela runs in a child process: it can die. What it says is computed from its
    model of the chip and its memories, and holds for one configuration, which
    stands in the result.

    Args:
        artifact: an int8 file.
        config: the accelerator and its MACs per cycle, such as "ethos-u85-256".
        system: a system configuration of Vela's own file; by default Vela's, which
            for U55 is a high-end embedded system at 500 MHz.
        memory_mode: a memory mode of that file, such as "Sram_Only".
        timeout: seconds after which it is stopped; None: never.

    Returns:
        A `VelaEstimate`.

    Raises:
        InvalidArgumentError: Vela has no such accelerator.
        MissingDependencyError: Vela is not installed.
        ArtifactError: the file is not int8, or Vela refuses it or dies at it.

    Example:

    ```python
    print(export.vela(artifact, "ethos-u55-128"))
    ```
    """
    if config not in CONFIGS:
        raise InvalidArgumentError(
            f"config to be one of {', '.join(CONFIGS)}",
            f"config={config!r}",
            "Pass the accelerator of your chip.",
        )
    _check_artifact(artifact)
    if importlib.util.find_spec("ethosu") is None:
        raise MissingDependencyError(
            "Arm's Vela compiler to be installed",
            "an environment without it",
            "Install it with `pip install 'ethos-u-vela>=5'`.",
        )
    more = ["--system-config", system] if system else []
    more += ["--memory-mode", memory_mode] if memory_mode else []
    words = ["--accelerator-config", config, "--show-cpu-operations", *more]
    summary, said = _in_child(artifact, words, timeout)
    version = importlib.metadata.version("ethos-u-vela")
    writers = {
        graph.tensors[op.outputs[0]].name: op.name
        for graph in read_subgraphs(artifact.content)
        for op in graph.ops
        if op.outputs
    }
    estimate = read_estimate(artifact.name, summary, said, writers, version)
    return dataclasses.replace(
        estimate, ops=len(artifact.all_ops), inner_ops=len(artifact.other_ops)
    )


def _check_artifact(artifact: Any) -> None:
    if not isinstance(artifact, Artifact):
        raise InvalidArgumentError(
            "an Artifact",
            f"an object of type {type(artifact).__name__}",
            "Pass what to_tflite returned, or Artifact.load(path).",
        )
    op = hybrid_op(artifact.content)
    if op is not None:
        # Vela takes such a file, leaves all of it to the CPU, and reports success.
        raise ArtifactError(
            "an int8 file, as an Ethos-U needs",
            f"{artifact.name!r} with dynamic-range quantization ({op} of float "
            "inputs), of which 0 % would run on the NPU",
            "Convert with quantization='int8'.",
        )
    if artifact.quantization in ("float32", "float16", "dynamic"):
        raise ArtifactError(
            "an int8 file, as an Ethos-U needs",
            f"{artifact.name!r} in {artifact.quantization}",
            "Convert with quantization='int8'.",
        )


def _in_child(
    artifact: Artifact, words: list[str], timeout: float | None
) -> tuple[str, str]:
    """Vela's summary file and its standard output."""
    with tempfile.TemporaryDirectory(prefix="keras_diffmask_") as folder:
        file = Path(folder) / "model.tflite"
        file.write_bytes(artifact.content)
        command = [sys.executable, "-m", "ethosu.vela", str(file), *words]
        command += ["--output-dir", folder]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=folder,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise ArtifactError(
                f"Vela to finish within {timeout:g} seconds",
                f"no result for {artifact.name!r} by then",
                "Raise timeout=.",
            ) from None
        summaries = list(Path(folder).glob("*_summary_*.csv"))
        if done.returncode == 0 and summaries:
            return summaries[0].read_text(), done.stdout
    raise _failure(artifact, done)


def _failure(
    artifact: Artifact, done: "subprocess.CompletedProcess[str]"
) -> ArtifactError:
    status = done.returncode
    # A shell's way of saying the same: 128 and the number of the signal.
    number = -status if status < 0 else status - 128 if status > 128 else 0
    if number:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return ArtifactError(
            "Vela to compile the file",
            f"its death by {name} at {artifact.name!r}",
            "Convert to plain int8: Vela is known to die at 4-bit weights.",
        )
    lines = [
        line.strip()
        for line in (done.stdout + done.stderr).splitlines()
        if line.strip() and not line.startswith("Warning:")
    ]
    reasons = [line for line in lines if "rror" in line] or lines[-1:] or ["no word"]
    return ArtifactError(
        "Vela to compile the file",
        f"its refusal of {artifact.name!r} ({reasons[0][:200]})",
        "Convert with quantization='int8' and target='cortex-m'; system= and "
        "memory_mode= have to be names that `vela --list-configs Arm/vela.ini` knows.",
    )
