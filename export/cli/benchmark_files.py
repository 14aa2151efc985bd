"""`benchmark` of .tflite files: on this computer, a phone, or a board."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from keras_diffmask.errors import DeviceError, InvalidArgumentError
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.numbers import positive

HOST = "host"
_TIMEOUT = 120.0


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares where files are timed, and how there."""
    group = parser.add_argument_group(
        "on a device", "docs/put_it_on_a_phone.md shows it from the first cable on"
    )
    group.add_argument(
        "--device", default=HOST, metavar="WHERE",
        help="android, android:SERIAL, or ssh:user@host[:port]; default: this computer",
    )  # fmt: skip
    group.add_argument(
        "--benchmark-model", metavar="PATH",
        help="Google's tool for the device; default: $KERAS_DIFFMASK_BENCHMARK_MODEL, "
        "else ~/.cache/keras_diffmask/benchmark_model/ABI/benchmark_model",
    )  # fmt: skip
    group.add_argument(
        "--cores", metavar="MASK",
        help="cores to run on: big, or a mask in hexadecimal; default: all",
    )  # fmt: skip
    group.add_argument(
        "--delegate", choices=("cpu", "gpu", "none"), default="cpu",
        help="cpu is XNNPACK, none the plain kernels; default: %(default)s",
    )  # fmt: skip
    group.add_argument(
        "--timeout", type=positive, default=_TIMEOUT,
        help="seconds after which one run is given up; default: %(default)s",
    )  # fmt: skip


def time_files(arguments: argparse.Namespace, console: Console) -> None:
    """Times the files in turns, and keeps what there is where that fails."""
    is_host = arguments.device == HOST
    rounds = arguments.rounds or (40 if is_host else 5)
    where = "timing" if is_host else f"timing on {arguments.device}"
    try:
        with console.phase(where, rounds) as advance:
            from keras_diffmask.export.benchmarking import benchmark

            result = benchmark(
                _named(arguments.files),
                device=arguments.device,
                threads=arguments.threads,
                rounds=rounds,
                seconds=arguments.seconds,
                per_op=arguments.per_op,
                progress=lambda done, total: advance(f"round {done}"),
                benchmark_model=arguments.benchmark_model,
                cores=arguments.cores,
                delegate=arguments.delegate,
                timeout=arguments.timeout,
            )
    except (DeviceError, KeyboardInterrupt) as error:
        if (partial := getattr(error, "partial", None)) is not None:
            _keep(partial, arguments.output, console)
            console.flush()
        raise
    _keep(result, arguments.output, console)


def _keep(result: Any, output: str | None, console: Console) -> None:
    if output is not None:
        result.save(output)
    console.result(_plain(result), result.table)


def _plain(result: Any) -> dict[str, Any]:
    first = result.models[0].name
    ratios = {
        model.name: dataclasses.asdict(result.ratio(model.name, first))
        for model in result.models
    }
    return {**dataclasses.asdict(result), "ratios": ratios}


def _named(files: list[str]) -> dict[str, str]:
    """Short names where they differ, paths where they do not."""
    stems = [Path(file).stem for file in files]
    names = stems if len(set(stems)) == len(stems) else files
    if len(set(names)) != len(names):
        raise InvalidArgumentError(
            "different .tflite files",
            f"{max(files, key=files.count)!r} twice",
            "Name each once.",
        )
    return dict(zip(names, files, strict=True))
