"""Training steps of a plain network and variants of it, in turns, as rows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import keras
import numpy as np

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking.estimator_result import (
    EstimatorResult,
    EstimatorTime,
    LeftOut,
)
from keras_diffmask.export.benchmarking.interleave import Clock, Progress
from keras_diffmask.export.benchmarking.records import Ratio
from keras_diffmask.export.benchmarking.training_step import (
    check_counts,
    steps_in_turns,
)
from keras_diffmask.export.machine import machine

#: The name of the network that ratios are over.
PLAIN = "plain"


def require_counts(rounds: int, batch: int) -> None:
    """Refuse counts that make no measurement.

    Raises:
        InvalidArgumentError: one is out of range.
    """
    check_counts(rounds)
    if batch < 1:
        raise InvalidArgumentError(
            "batch of at least 1", f"batch={batch!r}", "Pass batch=64."
        )


def times_over_plain(
    models: Mapping[str, keras.Model],
    row: Callable[[str], tuple[str, str, str]],
    limit: float | None,
    rounds: int,
    batch: int,
    progress: Progress | None,
    clock: Clock,
) -> list[EstimatorTime]:
    """Compile classifiers, train them in turns on one batch, and compare.

    Args:
        models: the plain network as `PLAIN`, and its variants by name.
        row: name of a variant -> network, granularity and estimator of its row.
        limit: the most that masks may cost; None where nothing is promised.
        rounds: number of rounds.
        batch: examples per step.
        progress: called with (turns done, turns in all).
        clock: returns nanoseconds.

    Returns:
        A row per variant.
    """
    plain = models[PLAIN]
    generator = np.random.default_rng(0)
    x = generator.normal(size=(batch, *plain.input_shape[1:])).astype("float32")
    y = generator.integers(0, plain.output_shape[-1], batch)
    for model in models.values():
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss)
    per_step = steps_in_turns(models, x, y, rounds, progress, clock)
    base = per_step.pop(PLAIN)
    return [
        EstimatorTime(
            *row(name),
            plain_ms=float(np.median(base)),
            masked_ms=float(np.median(own)),
            ratio=Ratio.of(name, PLAIN, own, base),
            limit=limit,
        )
        for name, own in per_step.items()
    ]


def part(progress: Progress | None, done: int, parts: int) -> Progress | None:
    """The progress of one of several parts of the same length, as that of all."""
    if progress is None:
        return None
    report = progress
    return lambda turn, turns: report(done * turns + turn, parts * turns)


def result(
    times: Sequence[EstimatorTime],
    left_out: Sequence[LeftOut],
    rounds: int,
    batch: int,
) -> EstimatorResult:
    """The rows, with where and when they were measured."""
    return EstimatorResult(
        times=tuple(times),
        left_out=tuple(left_out),
        backend=keras.backend.backend(),
        batch=batch,
        rounds=rounds,
        machine=machine(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
