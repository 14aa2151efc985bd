"""What each estimator costs in a training step, over plain Keras."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask import estimators, regularizers
from keras_diffmask.errors import DiffmaskError, InvalidArgumentError
from keras_diffmask.export.benchmarking import networks, suite
from keras_diffmask.export.benchmarking.estimator_result import (
    EstimatorResult,
    EstimatorTime,
    LeftOut,
)
from keras_diffmask.export.benchmarking.interleave import Clock, Progress
from keras_diffmask.masking import mask_model

_TOP_K = "top_k"


@dataclass(frozen=True)
class _Suite:
    """A plain network, and estimators to be timed on it in turns with it."""

    make: Callable[[], keras.Model]
    granularity: str
    limit: float | None
    estimators: Mapping[str, estimators.Estimator]


def estimator_steps(
    names: Sequence[str] | None = None,
    rounds: int = 100,
    batch: int = 64,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter_ns,
) -> EstimatorResult:
    """Times compiled training steps with masks against plain Keras, in turns.

    A ResNet-8 (32x32x3) with masks on channels and on weights, where there are
    limits; LeNet-300-100 with masks on weights; and one Dense layer of 784x300
    under `TopK` for some k, to show what k costs. Every estimator trains with
    a penalty that it has: its own, else L0, unless its count is given. All
    estimators of a network run in the same rounds as the plain network, and
    ratios are taken within each round (see `training_step_ratio`).

    Args:
        names: estimators by name; all of them by default.
        rounds: number of rounds, at least 1.
        batch: examples per step, at least 1.
        progress: called with (turns done, turns in all).
        clock: returns nanoseconds.

    Returns:
        The times, and the pairs that do not exist or do not fit the network.

    Raises:
        InvalidArgumentError: a name is unknown, or a count out of range.

    Example:
        >>> print(estimator_steps(["hard_concrete"], rounds=20))
    """
    suite.require_counts(rounds, batch)
    names = list(estimators.ALL_OBJECTS) if names is None else list(names)
    chosen = {name: estimators.get(name) for name in names}
    suites = _suites(chosen)
    times: list[EstimatorTime] = []
    left_out: list[LeftOut] = []
    for done, one in enumerate(suites):
        report = suite.part(progress, done, len(suites))
        found, missing = _measure(one, rounds, batch, report, clock)
        times += found
        left_out += missing
    return suite.result(times, left_out, rounds, batch)


def _suites(chosen: Mapping[str, estimators.Estimator]) -> list[_Suite]:
    suites = [
        _Suite(networks.resnet8, "channel", 1.05, chosen),
        _Suite(networks.resnet8, "weight", 1.25, chosen),
        _Suite(networks.lenet_300_100, "weight", None, chosen),
    ]
    if _TOP_K in chosen:
        top_k: Any = estimators.ALL_OBJECTS[_TOP_K]
        inputs = networks.dense_layer().input_shape[-1]
        by_k = {f"top_k, k={k}": top_k(k=k) for k in (1, 4, 16, 64, inputs // 2)}
        suites.append(_Suite(networks.dense_layer, "weight", None, by_k))
    return suites


def _measure(
    one: _Suite, rounds: int, batch: int, progress: Progress | None, clock: Clock
) -> tuple[list[EstimatorTime], list[LeftOut]]:
    models, left_out = _models(one)

    def row(name: str) -> tuple[str, str, str]:
        return models[suite.PLAIN].name, one.granularity, name

    times = suite.times_over_plain(
        models, row, one.limit, rounds, batch, progress, clock
    )
    return times, left_out


def _models(one: _Suite) -> tuple[dict[str, keras.Model], list[LeftOut]]:
    """The plain network and its variants, and those that there cannot be."""
    plain = one.make()
    models, left_out = {suite.PLAIN: plain}, []
    for name, estimator in one.estimators.items():
        try:
            models[name] = _masked(plain, one.granularity, estimator)
        except DiffmaskError as error:
            left_out.append(LeftOut(plain.name, one.granularity, name, error.expected))
    return models, left_out


def _masked(
    plain: keras.Model, granularity: str, estimator: estimators.Estimator
) -> keras.Model:
    if granularity not in estimator.granularities:
        raise InvalidArgumentError(
            f"one of its granularities, {', '.join(estimator.granularities)}",
            f"granularity={granularity!r}",
            "Time it there.",
        )
    penalty = _penalty(estimator)
    return mask_model(plain, estimator, granularity, gate_regularizer=penalty)


def _penalty(estimator: estimators.Estimator) -> Any:
    """What moves its gates: a penalty made for it, or L0; None where k is given."""
    name = type(estimator).__name__
    for kind in regularizers.ALL_OBJECTS.values():
        if name in kind.estimators:
            return kind(1e-5)
    return None if estimator.has_fixed_count else regularizers.L0(1e-5)
