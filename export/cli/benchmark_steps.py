"""`benchmark --training-step`: what masks and budgets cost in training."""

import argparse
import dataclasses
from typing import Any

from keras_diffmask.export.cli.benchmark_arguments import (
    LIMITS,
    PAIRS,
    RECURRENT,
    ROUNDS,
)
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import start_keras


def training_step(arguments: argparse.Namespace, console: Console) -> None:
    """Times a step of one network against another's."""
    name = arguments.training_step
    rounds = ROUNDS["training"] if arguments.rounds is None else arguments.rounds
    with console.phase(f"training steps of {name}", max(2 * rounds, 1)) as advance:
        start_keras()
        result = _step_ratio(name, arguments.batch, rounds, advance)
    facts = {**dataclasses.asdict(result), "network": name, "limit": LIMITS[name]}
    if arguments.output is not None:
        write_json(arguments.output, facts)
    changed, base = PAIRS.get(name, ("masked", "plain"))
    console.result(
        facts,
        lambda: (
            f"{name}, batch {result.batch}, {result.backend}: {changed} "
            f"{result.masked_ms:.1f} ms, {base} {result.plain_ms:.1f} ms, ratio "
            f"{result.ratio} (limit {LIMITS[name]:.2f})"
        ),
    )


def table_of_steps(arguments: argparse.Namespace, console: Console) -> None:
    """Times the steps of several networks or layers."""
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
        write_json(arguments.output, facts)
    console.result(facts, result.table)


def _step_ratio(name: str, batch: int, rounds: int, advance: Any) -> Any:
    import keras
    import numpy as np

    from keras_diffmask.budget import Budget
    from keras_diffmask.export.benchmarking import networks
    from keras_diffmask.export.benchmarking.training_step import training_step_ratio
    from keras_diffmask.masking import mask_model

    plain = networks.two_lstm() if name == "lstm" else networks.resnet8()
    third: dict[str, Any] = {"budget": Budget(macs=0.3)}
    # Arguments of what is timed, and those of its base, where that has masks.
    changed, base = {
        "budget": ({"budget": Budget(macs=0.3, flash=0.5, ram=0.8)}, {}),
        "quantization": ({**third, "quantization": "int8"}, third),
    }.get(name, (third, None))
    masked = mask_model(plain, **changed)
    if base is not None:
        plain = mask_model(plain, **base)
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


def write_json(path: str, facts: dict[str, Any]) -> None:
    """Writes facts as a JSON document."""
    import json

    from keras_diffmask.atomic import write_atomically

    text = json.dumps(facts, indent=1) + "\n"
    write_atomically(path, lambda file: file.write_text(text, "utf-8"))
