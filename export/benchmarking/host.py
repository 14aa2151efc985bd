"""Times .tflite models on this computer, in LiteRT's own interpreter."""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.benchmarking.interleave import (
    Progress,
    interleaved,
    runs_per_round,
    warm_up,
)
from keras_diffmask.export.benchmarking.records import ModelTimes
from keras_diffmask.export.benchmarking.result import BenchmarkResult
from keras_diffmask.export.device_names import HOST
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.interpreter import make_interpreter
from keras_diffmask.export.machine import machine
from keras_diffmask.export.random_inputs import random_inputs

#: Offsets within a FlatBuffer are 32-bit integers with a sign.
_LARGEST = 2**31 - 1


class InterpreterRunner:
    """One loaded model, ready to be timed.

    The classic interpreter, because LiteRT's newer `CompiledModel` refuses
    models with variable tensors, which every fused LSTM has.

    Args:
        content: bytes of the `.tflite` file.
        threads: threads the kernels may use.
        inputs: value for each input in order; random ones by default.
        label: what to call the model in an error.
    """

    def __init__(
        self,
        content: bytes,
        threads: int = 1,
        inputs: Iterable[np.ndarray] | None = None,
        label: str = "the model",
    ) -> None:
        start = time.perf_counter_ns()
        self.interpreter = make_interpreter(content, num_threads=threads)
        details = self.interpreter.get_input_details()
        try:
            if inputs is not None:
                inputs = list(inputs)
                for detail, value in zip(details, inputs, strict=True):
                    self.interpreter.resize_tensor_input(detail["index"], value.shape)
            self.interpreter.allocate_tensors()
            self.init_us = (time.perf_counter_ns() - start) / 1e3
            if inputs is None:
                inputs = random_inputs(details)
            # A cut operator may take a variable, which cannot be set.
            for detail, value in zip(details, inputs, strict=True):
                self.interpreter.set_tensor(detail["index"], value)
        except (RuntimeError, ValueError) as error:
            raise _refused(label, error) from error
        self.label = label

    def prepare(self) -> None:
        """Resets the state: an LSTM keeps it from one run to the next.

        Resource variables go on: another interpreter would be timed cold.
        """
        self.interpreter.reset_all_variables()

    def run(self) -> None:
        """Runs the model once."""
        try:
            self.interpreter.invoke()
        except RuntimeError as error:
            raise _refused(self.label, error) from error


def _refused(label: str, error: Exception) -> ArtifactError:
    reason = str(error).strip().splitlines()
    return ArtifactError(
        "a model whose operations LiteRT has built in",
        f"{label}, which it cannot run ({reason[0] if reason else 'no text'})",
        "Convert the model with export.to_tflite, which checks its operations.",
    )


def contents(artifacts: Any) -> dict[str, bytes]:
    """Reads what was given to `benchmark` into bytes by name.

    Args:
        artifacts: a dict of name -> artifact, path or bytes; or a list of
            artifacts, which bring their names.

    Returns:
        The bytes of each model, in the order given.

    Raises:
        InvalidArgumentError: nothing to measure, a name twice, or a thing
            that is no model.
        ArtifactError: a file is missing or is no `.tflite` file.
    """
    if isinstance(artifacts, Mapping):
        pairs = [(str(name), value) for name, value in artifacts.items()]
    elif isinstance(artifacts, (list, tuple)):
        pairs = [(str(getattr(value, "name", "")), value) for value in artifacts]
    else:
        pairs = []
    names = [name for name, _ in pairs]
    if not pairs or "" in names or len(set(names)) != len(names):
        raise InvalidArgumentError(
            "artifacts as a dict of name -> Artifact, path or bytes, or as a list of "
            "Artifacts with different names",
            f"{type(artifacts).__name__} of {_told(artifacts, names)}",
            'Pass a dict such as {"dense": dense_artifact, "pruned": "small.tflite"}.',
        )
    return {name: _content(name, value) for name, value in pairs}


def _told(artifacts: Any, names: list[str]) -> str:
    """What was given instead: things without a name by their kind."""
    if isinstance(artifacts, Mapping) or "" not in names:
        return f"the names {names}" if names else "nothing to measure"
    kinds = sorted({type(value).__name__ for value in artifacts})
    return f"{' and '.join(kinds)}, which bring no name"


def _content(name: str, value: Any) -> bytes:
    content = getattr(value, "content", value)
    if isinstance(value, (str, os.PathLike)):
        try:
            if (size := Path(value).stat().st_size) > _LARGEST:
                raise _too_large(name, size)
            content = Path(value).read_bytes()
        except OSError as error:
            raise ArtifactError(
                "a .tflite file that can be read",
                f"{name}={str(value)!r} ({error.strerror or error})",
                "Check the path.",
            ) from error
    if not isinstance(content, (bytes, bytearray)):
        raise InvalidArgumentError(
            "an Artifact, a path or bytes for every model",
            f"{name}={type(value).__name__}",
            "Convert a Keras model with export.to_tflite first.",
        )
    if len(content) > _LARGEST:
        raise _too_large(name, len(content))
    if content[4:8] != b"TFL3":
        raise ArtifactError(
            "the bytes of a .tflite model (identifier 'TFL3')",
            f"{name} with {len(content)} bytes that are none",
            "Pass what export.to_tflite or the TFLite converter wrote.",
        )
    return bytes(content)


def _too_large(name: str, size: int) -> ArtifactError:
    return ArtifactError(
        "a .tflite file below 2 GiB, the most that its format can address",
        f"{name} with {size:,} bytes",
        "Convert a smaller model, or check what the file is.",
    )


def measure(
    models: dict[str, bytes],
    threads: int,
    rounds: int,
    seconds: float,
    warmup: int,
    progress: Progress | None,
) -> BenchmarkResult:
    """Times all models in turns; the arguments are those of `benchmark`."""
    # Loaded once for nothing, or the first model's loading time would hold the
    # import of LiteRT and the start of its thread pool.
    InterpreterRunner(next(iter(models.values())), threads)
    runners = {
        name: InterpreterRunner(content, threads, label=repr(name))
        for name, content in models.items()
    }
    # Read before the minutes that the rounds take, should it fail.
    notes = {name: _engine_note(content) for name, content in models.items()}
    first = {name: warm_up(runner, 1) for name, runner in runners.items()}
    runs = {
        name: runs_per_round(warm_up(runner, warmup), rounds, seconds)
        for name, runner in runners.items()
    }
    times = interleaved(runners, rounds, runs, progress=progress)
    return BenchmarkResult(
        models=tuple(
            ModelTimes.from_times(
                name,
                len(models[name]),
                runners[name].init_us,
                times[name],
                notes[name],
                first[name] / 1e3,
            )
            for name in models
        ),
        machine=machine(),
        device=HOST,
        threads=threads,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _engine_note(content: bytes) -> str:
    """Says so where the times are those of a kernel that is not made for speed."""
    for graph in read_subgraphs(content):
        for op in graph.ops:
            # An ASSIGN_VARIABLE has none.
            types = [graph.tensors[index].dtype for index in op.outputs[:1]]
            if op.name == "UNIDIRECTIONAL_SEQUENCE_LSTM" and types == ["INT8"]:
                return (
                    f"its int8 {op.name} runs in LiteRT's portable kernel, for XNNPACK "
                    "has none: on this computer slower than the same layer in float, "
                    "which says nothing about a microcontroller."
                )
    return ""


def show_progress(done: int, total: int) -> None:
    """Writes "round 3 of 40" over itself on standard error."""
    end = "\n" if done == total else ""
    print(f"\rround {done} of {total}", end=end, file=sys.stderr, flush=True)
