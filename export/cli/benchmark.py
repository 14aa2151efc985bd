"""`benchmark`: times of files, of a training step, of the surgery, or foretold ones."""

import argparse
import dataclasses

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.cli.benchmark_arguments import (
    ESTIMATORS,
    FORETOLD,
    RECURRENT,
    ROUNDS,
    add_arguments,
    check_read,
)
from keras_diffmask.export.cli.benchmark_files import prepare_emulator, time_files
from keras_diffmask.export.cli.benchmark_steps import (
    table_of_steps,
    training_step,
    write_json,
)
from keras_diffmask.export.cli.benchmark_table import measure_table
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import check_output, start_keras
from keras_diffmask.export.device_names import EMULATED, HOST

__all__ = ["EXAMPLE", "HELP", "NAME", "add_arguments", "check", "run"]

NAME = "benchmark"
HELP = (
    "Time .tflite files side by side, a training step with masks over without, plan "
    "and strip against the number of layers, or what latency budgets foretell."
)
EXAMPLE = (
    "keras-diffmask benchmark dense.tflite pruned.tflite --per-op\n"
    "  keras-diffmask benchmark dense.tflite pruned.tflite --device android\n"
    "  keras-diffmask benchmark dense.tflite pruned.tflite --device arm64-emulated\n"
    "  keras-diffmask benchmark --training-step resnet8\n"
    "  keras-diffmask benchmark --training-step estimators --estimators top_k\n"
    "  keras-diffmask benchmark --training-step recurrent\n"
    "  keras-diffmask benchmark --training-step budget\n"
    "  keras-diffmask benchmark --surgery\n"
    "  keras-diffmask benchmark --latency resnet8\n"
    "  keras-diffmask benchmark --table dense.keras --device android -o latency.json"
)


def check(arguments: argparse.Namespace) -> None:
    """Refuses to measure nothing, several things, or what no option says."""
    if arguments.prepare and arguments.device != EMULATED:
        raise InvalidArgumentError(
            f"--prepare with --device {EMULATED}",
            f"--device {arguments.device}",
            "Nothing else has to be prepared.",
        )
    wanted = (
        arguments.files, arguments.training_step, arguments.surgery,
        arguments.latency, arguments.table, arguments.prepare,
    )  # fmt: skip
    if (number := sum(map(bool, wanted))) != 1:
        raise InvalidArgumentError(
            "either .tflite files or --training-step or --surgery or --latency or "
            "--table",
            {0: "neither", 2: "both"}.get(number, f"{number} of them"),
            "Write for example `keras-diffmask benchmark a.tflite b.tflite`.",
        )
    on_device = arguments.files or arguments.table or arguments.prepare
    if arguments.device != HOST and not on_device:
        raise InvalidArgumentError(
            "--device with .tflite files or --table",
            f"--device {arguments.device} without them",
            "Name the files to time there.",
        )
    check_read(arguments)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures the one that is asked for."""
    if arguments.output is not None:
        given = (*arguments.files, arguments.table)
        check_output(arguments.output, ".json", *given, force=arguments.force)
    if arguments.prepare:
        prepare_emulator(arguments, console)
    elif arguments.training_step in (ESTIMATORS, RECURRENT):
        table_of_steps(arguments, console)
    elif arguments.training_step:
        training_step(arguments, console)
    elif arguments.surgery:
        _surgery(arguments, console)
    elif arguments.latency:
        _latency(arguments, console)
    elif arguments.table:
        measure_table(arguments, console)
    else:
        time_files(arguments, console)


def _surgery(arguments: argparse.Namespace, console: Console) -> None:
    rounds = ROUNDS["surgery"] if arguments.rounds is None else arguments.rounds
    with console.phase("plan and strip", max(3 * rounds, 1)) as advance:
        start_keras()
        from keras_diffmask.export.benchmarking.surgery import surgery_times

        result = surgery_times(
            arguments.layers,
            rounds=rounds,
            progress=lambda done, total: advance(f"round {done}"),
        )
    facts = dataclasses.asdict(result)
    if arguments.output is not None:
        write_json(arguments.output, facts)
    console.result(facts, result.table)


def _latency(arguments: argparse.Namespace, console: Console) -> None:
    rounds = ROUNDS["latency"] if arguments.rounds is None else arguments.rounds
    # The table, the models, and at last all of them in turns.
    with console.phase("latencies", max(arguments.models, 1) + 2) as advance:
        start_keras()
        from keras_diffmask.export.benchmarking import networks
        from keras_diffmask.export.latency.accuracy import latency_accuracy

        result = latency_accuracy(
            getattr(networks, FORETOLD[arguments.latency])(),
            arguments.models,
            rounds=rounds,
            progress=advance,
        )
    if arguments.output is not None:
        write_json(arguments.output, result.facts())
    console.result(result.facts(), result.table)
