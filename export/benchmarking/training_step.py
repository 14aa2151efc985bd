"""What masks cost while training: the time of one step, masked over plain."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking.interleave import (
    Clock,
    Progress,
    interleaved,
)
from keras_diffmask.export.benchmarking.records import Ratio


@dataclasses.dataclass(frozen=True)
class StepResult:
    """Time of a training step, masked against plain.

    Args:
        plain_ms: median milliseconds of one plain step.
        masked_ms: median milliseconds of one masked step.
        ratio: masked over plain, per round, with its spread.
        backend: Keras' backend.
        batch: examples per step.
        steps_per_round: steps of each model in a round.

    Example:
        >>> print(training_step_ratio(plain, masked, x, y).ratio)
        1.021 (1.008..1.043)
    """

    plain_ms: float
    masked_ms: float
    ratio: Ratio
    backend: str
    batch: int
    steps_per_round: int


class Steps:
    """A block of training steps on one batch that stays on the device."""

    def __init__(self, model: keras.Model, x: Any, y: Any, steps: int) -> None:
        self._model, self._x, self._y, self._steps = model, x, y, steps

    def prepare(self) -> None:
        """Nothing: the weights move on, which changes no shape and no time."""

    def run(self) -> None:
        for _ in range(self._steps):
            self.step()

    def step(self) -> None:
        # train_on_batch returns numbers, so it waits for the step to end; `fit`
        # would add the cost of an epoch to each block.
        self._model.train_on_batch(self._x, self._y)


def training_step_ratio(
    plain: keras.Model,
    masked: keras.Model,
    x: Any,
    y: Any,
    rounds: int = 150,
    steps_per_round: int = 2,
    warmup: int = 5,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter_ns,
) -> StepResult:
    """Times compiled training steps of two models in turns.

    A round runs plain, masked, masked, plain (the next one the other way round,
    so a drift cancels), the ratio is taken within each round, and the median of
    the rounds is reported. Steps are those of `train_on_batch`, on any backend.
    Both models learn from the batch meanwhile: pass copies you can spare.

    Args:
        plain: compiled model without masks.
        masked: compiled model with masks, same inputs and outputs.
        x: one batch of inputs.
        y: its targets.
        rounds: number of rounds, at least 1. On a busy computer the ratio of
            one round strays by a tenth: 150 bring the median to about 1 %.
        steps_per_round: steps of each model in a round, an even number. Short
            rounds, many of them, beat long ones: neighbours come and go.
        warmup: untimed steps of each at first, at least 1 (the first compiles).
        progress: called with (turns done, turns in all), two turns a round.
        clock: returns nanoseconds.

    Returns:
        Times in milliseconds and the ratio with its spread.

    Raises:
        InvalidArgumentError: a model is not compiled, or a count is out of
            range.
    """
    models = {"plain": plain, "masked": masked}
    for name, model in models.items():
        if not getattr(model, "compiled", False):
            raise InvalidArgumentError(
                f"the {name} model compiled",
                f"{name}={type(model).__name__} that is not",
                "Call compile(optimizer, loss) on it first.",
            )
    counts = {"steps_per_round": steps_per_round, "warmup": warmup}
    per_step = steps_in_turns(models, x, y, rounds, progress, clock, **counts)
    return StepResult(
        plain_ms=float(np.median(per_step["plain"])),
        masked_ms=float(np.median(per_step["masked"])),
        ratio=Ratio.of("masked", "plain", per_step["masked"], per_step["plain"]),
        backend=keras.backend.backend(),
        batch=int(np.shape(x)[0]),
        steps_per_round=steps_per_round,
    )


def steps_in_turns(
    models: Mapping[str, keras.Model],
    x: Any,
    y: Any,
    rounds: int,
    progress: Progress | None,
    clock: Clock,
    steps_per_round: int = 2,
    warmup: int = 3,
) -> dict[str, tuple[float, ...]]:
    """Times compiled training steps of several models in the same rounds.

    Args:
        models: compiled models by name.
        x: one batch of inputs.
        y: its targets.
        rounds: number of rounds, at least 1.
        progress: called with (turns done, turns in all), two turns a round.
        clock: returns nanoseconds.
        steps_per_round: steps of each model in a round, an even number.
        warmup: untimed steps of each at first, at least 1.

    Returns:
        For each name milliseconds per step, round by round.

    Raises:
        InvalidArgumentError: a count is out of range.
    """
    check_counts(rounds, steps_per_round, warmup)
    batch = (keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y))
    runners = {
        name: Steps(model, *batch, steps=steps_per_round // 2)
        for name, model in models.items()
    }
    for runner in runners.values():
        for _ in range(warmup):
            runner.step()
    once = dict.fromkeys(runners, 1)
    turns = interleaved(runners, 2 * rounds, once, clock, progress, settle=0)
    return {name: per_round(t, steps_per_round) for name, t in turns.items()}


def check_counts(rounds: int, steps_per_round: int = 2, warmup: int = 3) -> None:
    """Refuse counts that make no measurement.

    Raises:
        InvalidArgumentError: one is out of range.
    """
    for name, value in (("rounds", rounds), ("warmup", warmup)):
        if value < 1:
            raise InvalidArgumentError(
                f"{name} of at least 1", f"{name}={value!r}", f"Pass {name}=3."
            )
    if steps_per_round < 2 or steps_per_round % 2:
        raise InvalidArgumentError(
            "steps_per_round as an even number of at least 2",
            f"steps_per_round={steps_per_round!r}",
            "Pass steps_per_round=2.",
        )


def per_round(turns: list[list[int]], steps: int) -> tuple[float, ...]:
    """Milliseconds per step of each round, from its two turns of one block."""
    blocks = [block[0] / 1e6 for block in turns]
    return tuple((blocks[i] + blocks[i + 1]) / steps for i in range(0, len(blocks), 2))
