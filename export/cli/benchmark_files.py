"""`benchmark` of .tflite files: on this computer, a phone, or a board."""

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from keras_diffmask.errors import DeviceError
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import named_by_stem
from keras_diffmask.export.device_names import EMULATED, HOST


def time_files(arguments: argparse.Namespace, console: Console) -> None:
    """Times the files in turns, and keeps what there is where that fails."""
    if arguments.device == EMULATED:
        count_in_files(arguments, console)
        return
    is_host = arguments.device == HOST
    rounds = arguments.rounds or (40 if is_host else 5)
    where = "timing" if is_host else f"timing on {arguments.device}"
    try:
        with console.phase(where, rounds) as advance:
            result = _measured(
                arguments, rounds, lambda done, total: advance(f"round {done}")
            )
    except (DeviceError, KeyboardInterrupt) as error:
        if (partial := getattr(error, "partial", None)) is not None:
            _keep(partial, arguments.output, console)
            console.flush()
        raise
    _keep(result, arguments.output, console)


def prepare_emulator(arguments: argparse.Namespace, console: Console) -> None:
    """Makes the folder that an emulated core needs."""
    from keras_diffmask.export.emulation import prepare

    with console.phase("preparing", 3) as advance:
        folder = prepare(force=arguments.force, progress=advance)
    console.result({"folder": str(folder)}, lambda: f"prepared: {folder}")


def count_in_files(arguments: argparse.Namespace, console: Console) -> None:
    """Counts the files' instructions on emulated cores."""
    # Three cores, two sets of kernels.
    cores = 3 if arguments.cores is None else len(arguments.cores.split(","))
    processes = 2 * cores * len(arguments.files)
    with console.phase("emulating", processes) as advance:
        result = _measured(
            arguments,
            arguments.rounds,
            lambda done, total: advance(f"process {done}"),
        )
    if arguments.output is not None:
        result.save(arguments.output)
    console.result(dataclasses.asdict(result), result.table)


def _measured(
    arguments: argparse.Namespace,
    rounds: int | None,
    progress: Callable[[int, int], None],
) -> Any:
    from keras_diffmask.export.benchmarking import benchmark

    return benchmark(
        named_by_stem(arguments.files),
        device=arguments.device,
        threads=arguments.threads,
        rounds=rounds,
        seconds=arguments.seconds,
        per_op=arguments.per_op,
        progress=progress,
        benchmark_model=arguments.benchmark_model,
        cores=arguments.cores,
        delegate=arguments.delegate,
        timeout=arguments.timeout,
    )


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
