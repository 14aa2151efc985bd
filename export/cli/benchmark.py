"""`benchmark`: times of files, of a training step, of the surgery, or foretold ones."""

import argparse
import dataclasses
from typing import Any

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.cli.benchmark_arguments import (
    ESTIMATORS,
    FORETOLD,
    HOST,
    LIMITS,
    PAIRS,
    RECURRENT,
    ROUNDS,
    add_arguments,
)
from keras_diffmask.export.cli.benchmark_files import time_files
from keras_diffmask.export.cli.benchmark_table import measure_table
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import check_new, check_output, start_keras

__all__ = ["EXAMPLE", "HELP", "NAME", "add_arguments", "check", "run"]

NAME = "benchmark"
HELP = (
    "Time .tflite files side by side, a training step with masks over without, plan "
    "and strip against the number of layers, or what latency budgets foretell."
)
EXAMPLE = (
    "keras-diffmask benchmark dense.tflite pruned.tflite --per-op\n"
    "  keras-diffmask benchmark dense.tflite pruned.tflite --device android\n"
    "  keras-diffmask benchmark --training-step resnet8\n"
    "  keras-diffmask benchmark --training-step estimators --estimators top_k\n"
    "  keras-diffmask benchmark --training-step recurrent\n"
    "  keras-diffmask benchmark --training-step budget\n"
    "  keras-diffmask benchmark --surgery\n"
    "  keras-diffmask benchmark --latency resnet8\n"
    "  keras-diffmask benchmark --table dense.keras --device android -o latency.json"
)


def check(arguments: argparse.Namespace) -> None:
    """Refuses to measure nothing, or several things."""
    wanted = (
        arguments.files, arguments.training_step, arguments.surgery,
        arguments.latency, arguments.table,
    )  # fmt: skip
    if (number := sum(map(bool, wanted))) != 1:
        raise InvalidArgumentError(
            "either .tflite files or --training-step or --surgery or --latency or "
            "--table",
            {0: "neither", 2: "both"}.get(number, f"{number} of them"),
            "Write for example `keras-diffmask benchmark a.tflite b.tflite`.",
        )
    if arguments.device != HOST and not (arguments.files or arguments.table):
        raise InvalidArgumentError(
            "--device with .tflite files or --table",
            f"--device {arguments.device} without them",
            "Name the files to time there.",
        )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures the one that is asked for."""
    if arguments.output is not None:
        check_output(arguments.output, ".json", *arguments.files, arguments.table)
        if not arguments.force:
            check_new(arguments.output)
    if arguments.training_step in (ESTIMATORS, RECURRENT):
        _table_of_steps(arguments, console)
    elif arguments.training_step:
        _training_step(arguments, console)
    elif arguments.surgery:
        _surgery(arguments, console)
    elif arguments.latency:
        _latency(arguments, console)
    elif arguments.table:
        measure_table(arguments, console)
    else:
        time_files(arguments, console)


def _training_step(arguments: argparse.Namespace, console: Console) -> None:
    name = arguments.training_step
    rounds = ROUNDS["training"] if arguments.rounds is None else arguments.rounds
    with console.phase(f"training steps of {name}", max(2 * rounds, 1)) as advance:
        start_keras()
        result = _step_ratio(name, arguments.batch, rounds, advance)
    facts = {**dataclasses.asdict(result), "network": name, "limit": LIMITS[name]}
    if arguments.output is not None:
        _write_json(arguments.output, facts)
    changed, base = PAIRS.get(name, ("masked", "plain"))
    console.result(
        facts,
        lambda: (
            f"{name}, batch {result.batch}, {result.backend}: {changed} "
            f"{result.masked_ms:.1f} ms, {base} {result.plain_ms:.1f} ms, ratio "
            f"{result.ratio} (limit {LIMITS[name]:.2f})"
        ),
    )


def _table_of_steps(arguments: argparse.Namespace, console: Console) -> None:
    rounds = ROUNDS["tables"] if arguments.rounds is None else arguments.rounds
    recurrent = arguments.training_step == RECURRENT
    # Three kinds of layers or four networks, and two turns to a round.
    turns = (6 if recurrent else 8) * rounds
    with console.phase("training steps", max(turns, 1)) as advance:
        start_keras()
        from keras_diffmask.export.benchmarking.estimator_steps import estimator_steps
        from keras_diffmask.export.benchmarking.recurrent_steps import recurrent_steps

        more: dict[str, Any] = {
            "rounds": rounds,
            "batch": arguments.batch,
            "progress": lambda done, total: advance(f"turn {done} of {total}"),
        }
        if recurrent:
            result = recurrent_steps(**more)
        else:
            result = estimator_steps(arguments.estimators, **more)
    facts = dataclasses.asdict(result)
    if arguments.output is not None:
        _write_json(arguments.output, facts)
    console.result(facts, result.table)


def _step_ratio(name: str, batch: int, rounds: int, advance: Any) -> Any:
    import keras
    import numpy as np

    from keras_diffmask.budget import Budget
    from keras_diffmask.export.benchmarking import networks
    from keras_diffmask.export.benchmarking.training_step import training_step_ratio
    from keras_diffmask.masking import mask_model

    plain = networks.two_lstm() if name == "lstm" else networks.resnet8()
    budget = Budget(macs=0.3)
    if name == "budget":
        budget = Budget(macs=0.3, flash=0.5, ram=0.8)
    masked = mask_model(plain, budget=budget)
    if name == "budget":
        plain = mask_model(plain)
    for model in (plain, masked):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(batch, *plain.input_shape[1:])).astype("float32")
    y = generator.integers(0, plain.output_shape[-1], batch)
    return training_step_ratio(
        plain, masked, x, y, rounds=rounds,
        progress=lambda done, total: advance(f"turn {done}"),
    )  # fmt: skip


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
        _write_json(arguments.output, facts)
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
        _write_json(arguments.output, result.facts())
    console.result(result.facts(), result.table)


def _write_json(path: str, facts: dict[str, Any]) -> None:
    import json

    from keras_diffmask.atomic import write_atomically

    text = json.dumps(facts, indent=1) + "\n"
    write_atomically(path, lambda file: file.write_text(text, "utf-8"))
