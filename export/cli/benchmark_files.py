"""`benchmark` of .tflite files: on this computer, a phone, or a board."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from keras_diffmask.errors import DeviceError, InvalidArgumentError
from keras_diffmask.export.cli.benchmark_arguments import HOST
from keras_diffmask.export.cli.console import Console


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
