"""The one function a user calls: `benchmark`."""

import dataclasses
import os
from typing import Any

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking import host
from keras_diffmask.export.benchmarking.device_settings import DeviceSettings
from keras_diffmask.export.benchmarking.interleave import Progress
from keras_diffmask.export.benchmarking.per_op import op_table
from keras_diffmask.export.benchmarking.remote import measure_remote
from keras_diffmask.export.benchmarking.result import BenchmarkResult
from keras_diffmask.export.device_names import EMULATED, HOST
from keras_diffmask.export.emulation import InstructionCounts, count_instructions
from keras_diffmask.export.emulation.cores import CORES

#: rounds, seconds, warmup: a round on a device starts a program for each model.
_HOST_COUNTS, _DEVICE_COUNTS = (40, 1.0, 20), (5, 5.0, 5)


def benchmark(
    artifacts: Any,
    device: str = HOST,
    threads: int = 1,
    rounds: int | None = None,
    seconds: float | None = None,
    warmup: int | None = None,
    per_op: bool = False,
    verbose: bool = False,
    progress: Progress | None = None,
    benchmark_model: str | os.PathLike[str] | None = None,
    cores: str | int | None = None,
    delegate: str = "cpu",
    timeout: float = 120.0,
) -> BenchmarkResult | InstructionCounts:
    """Measures how long models take for one inference, side by side.

    On this computer all models are loaded in one process and timed in turns: each
    round runs every model some times, so a busy neighbour slows all of them alike
    and the ratios of a round stay true. The state of an LSTM is reset before every
    inference, outside the timed section. Inputs are random, of the model's
    own dtype; values do not change the work these kernels do.

    On a device Google's own `benchmark_model` runs them, in turns as well; it is
    copied to a new folder there with the models, and the folder removed at the
    end, whatever happens. Memory, and with `per_op` the operations, are measured
    in runs of their own.

    On an emulated core nothing is timed: the instructions of one inference are
    counted, the same to the last one each time, and the answers compared with
    this computer's. Their ratios guide where there is no phone; they are no times.

    Args:
        artifacts: dict of name -> `Artifact`, path of a `.tflite` file, or its
            bytes; or a list of `Artifact`s with different names.
        device: `"host"`, this computer; `"android"`, the one that `adb devices`
            lists, or `"android:SERIAL"`; `"ssh:user@host[:port]"`, a Linux board
            that ssh reaches without a password; `"arm64-emulated"`, Cortex-A53,
            A72 and A76 under QEMU, which has to be prepared once.
        threads: threads each model may use, at least 1.
        rounds: turns through all models, at least 1; 20 or more for a spread
            that means something. 40 by default, 5 on a device.
        seconds: time to spend on each model over all rounds (and, with `per_op`
            on this computer, about as much again on its operations); above 0.
            Every model is run at least twice per round whatever that takes. 1.0
            by default, 5.0 on a device.
        warmup: untimed inferences, at least 1: before the first round, 20 by
            default; on a device before each, 5.
        per_op: also time each operation alone.
        verbose: show the rounds on standard error.
        progress: called with (rounds done, rounds in all), for a progress bar
            of your own.
        benchmark_model: path of the tool for the device; by default what the
            environment variable `KERAS_DIFFMASK_BENCHMARK_MODEL` names, else
            `~/.cache/keras_diffmask/benchmark_model/<abi>/benchmark_model`.
        cores: of a device, to run on: `"big"`, the fastest ones, or a mask in
            hexadecimal, core 0 the lowest bit; None for all. Emulated: of
            `"a53"`, `"a72"` and `"a76"`, with commas between.
        delegate: on a device: `"cpu"`, XNNPACK; `"gpu"`; or `"none"`, the plain
            kernels.
        timeout: seconds after which one run on a device is given up.

    Returns:
        A `BenchmarkResult`: `table()` to read, `ratio(name, baseline)` to
        compare, `save(path)` to keep. Emulated: an
        `export.emulation.InstructionCounts`, which has the same.

    Raises:
        InvalidArgumentError: an argument is out of range.
        ArtifactError: a file is missing, damaged, or LiteRT cannot run it.
        MissingDependencyError: ai-edge-litert is not installed, or adb or ssh.
        DeviceError: there is no such device, or it was lost, or the tool failed;
            its attribute `partial` has the rounds that were done.

    Example:
        >>> result = export.benchmark({"dense": dense, "pruned": "pruned.tflite"})
        >>> print(result)
        >>> print(result.ratio("pruned", "dense"))
        0.312 (0.305..0.334)
        >>> export.benchmark([dense, pruned], "android", cores="big").save("a.json")
    """
    if device == EMULATED:
        _check_emulated(
            threads=threads, rounds=rounds, seconds=seconds, warmup=warmup,
            per_op=per_op, benchmark_model=benchmark_model, delegate=delegate,
        )  # fmt: skip
        return count_instructions(
            host.contents(artifacts),
            tuple(CORES) if cores is None else str(cores).split(","),
            timeout=timeout,
            progress=host.show_progress if progress is None and verbose else progress,
        )
    usual = _HOST_COUNTS if device == HOST else _DEVICE_COUNTS
    rounds = usual[0] if rounds is None else rounds
    seconds = usual[1] if seconds is None else seconds
    warmup = usual[2] if warmup is None else warmup
    _check(device, seconds, threads=threads, rounds=rounds, warmup=warmup)
    models = host.contents(artifacts)
    if progress is None and verbose:
        progress = host.show_progress
    if device == HOST:
        _check_host(benchmark_model=benchmark_model, cores=cores, delegate=delegate)
        return _on_host(models, threads, rounds, seconds, warmup, per_op, progress)
    settings = DeviceSettings(
        benchmark_model=benchmark_model,
        cores=cores,
        delegate=delegate,
        threads=threads,
        rounds=rounds,
        seconds=seconds,
        warmup=warmup,
        per_op=per_op,
        timeout=timeout,
    )
    return measure_remote(models, device, settings, progress)


def _on_host(
    models: dict[str, bytes],
    threads: int,
    rounds: int,
    seconds: float,
    warmup: int,
    per_op: bool,
    progress: Progress | None,
) -> BenchmarkResult:
    result = host.measure(models, threads, rounds, seconds, warmup, progress)
    if not per_op:
        return result
    tables = {
        name: op_table(content, threads, rounds, seconds, warmup)
        for name, content in models.items()
    }
    timed = (dataclasses.replace(m, ops=tables[m.name]) for m in result.models)
    return dataclasses.replace(result, models=tuple(timed))


def _check(device: str, seconds: float, **counts: int) -> None:
    if not isinstance(device, str):
        raise InvalidArgumentError(
            'device as text, such as "host" or "android"',
            f"device={device!r}",
            "Quote it.",
        )
    if not seconds > 0:
        raise InvalidArgumentError(
            "seconds above 0", f"seconds={seconds!r}", "Pass for example seconds=1.0."
        )
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidArgumentError(
                f"{name} as a whole number of at least 1",
                f"{name}={value!r}",
                f"Pass for example {name}=1.",
            )


def _check_emulated(**given: Any) -> None:
    """Nothing is timed there: what is about times must not seem to act."""
    usual = {"threads": 1, "per_op": False, "delegate": "cpu"}
    for name, value in given.items():
        if value != usual.get(name):
            raise InvalidArgumentError(
                f"no {name} where instructions are counted on one thread",
                f"{name}={value!r}",
                "Leave it out; cores and timeout are what can be chosen.",
            )


def _check_host(**given: Any) -> None:
    """What is for devices only must not seem to have had an effect."""
    for name, value in given.items():
        if value not in (None, "cpu"):
            raise InvalidArgumentError(
                f"no {name} on this computer",
                f"{name}={value!r}",
                'Leave it out, or pass device="android".',
            )
