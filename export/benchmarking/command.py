"""The one function a user calls: `benchmark`."""

import dataclasses
from typing import Any

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking import host
from keras_diffmask.export.benchmarking.interleave import Progress
from keras_diffmask.export.benchmarking.per_op import op_table
from keras_diffmask.export.benchmarking.result import BenchmarkResult


def benchmark(
    artifacts: Any,
    device: str = "host",
    threads: int = 1,
    rounds: int = 40,
    seconds: float = 1.0,
    warmup: int = 20,
    per_op: bool = False,
    verbose: bool = False,
    progress: Progress | None = None,
) -> BenchmarkResult:
    """Measures how long models take for one inference, side by side.

    All models are loaded in one process and timed in turns: each round runs
    every model some times, so a busy neighbour slows all of them alike and the
    ratios of a round stay true. The state of an LSTM is reset before every
    inference, outside the timed section. Inputs are random, of the model's
    own dtype; values do not change the work these kernels do.

    Args:
        artifacts: dict of name -> `Artifact`, path of a `.tflite` file, or its
            bytes; or a list of `Artifact`s with different names.
        device: `"host"`, this computer.
        threads: threads each model may use, at least 1.
        rounds: turns through all models, at least 1; 20 or more for a spread
            that means something.
        seconds: time to spend on each model (and, with `per_op`, about as much
            again on its operations); above 0. Every model is run at least
            twice per round whatever that takes.
        warmup: untimed inferences before the first round, at least 1.
        per_op: also time each operation alone.
        verbose: show the rounds on standard error.
        progress: called with (rounds done, rounds in all), for a progress bar
            of your own.

    Returns:
        A `BenchmarkResult`: `table()` to read, `ratio(name, baseline)` to
        compare, `save(path)` to keep.

    Raises:
        InvalidArgumentError: an argument is out of range.
        ArtifactError: a file is missing, damaged, or LiteRT cannot run it.
        MissingDependencyError: ai-edge-litert is not installed.

    Example:
        >>> result = export.benchmark({"dense": dense, "pruned": "pruned.tflite"})
        >>> print(result.table())
        >>> print(result.ratio("pruned", "dense"))
        0.312 (0.305..0.334)
    """
    _check(device, threads=threads, rounds=rounds, warmup=warmup)
    if not seconds > 0:
        raise InvalidArgumentError(
            "seconds above 0", f"seconds={seconds!r}", "Pass for example seconds=1.0."
        )
    models = host.contents(artifacts)
    if progress is None and verbose:
        progress = host.show_progress
    result = host.measure(models, threads, rounds, seconds, warmup, progress)
    if not per_op:
        return result
    tables = {
        name: op_table(content, threads, rounds, seconds, warmup)
        for name, content in models.items()
    }
    timed = (dataclasses.replace(m, ops=tables[m.name]) for m in result.models)
    return dataclasses.replace(result, models=tuple(timed))


def _check(device: str, **counts: int) -> None:
    if device != "host":
        raise InvalidArgumentError(
            'device="host", the only device this version measures on',
            f"device={device!r}",
            "Leave it out, or copy the .tflite file to the device and time it there.",
        )
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidArgumentError(
                f"{name} as a whole number of at least 1",
                f"{name}={value!r}",
                f"Pass for example {name}=1.",
            )
