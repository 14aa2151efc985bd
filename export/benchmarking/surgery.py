"""What leaving costs: plan and strip time against the number of layers."""

import gc
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking import networks
from keras_diffmask.export.benchmarking.interleave import Clock, Progress, interleaved
from keras_diffmask.export.benchmarking.records import Ratio
from keras_diffmask.export.benchmarking.surgery_result import (
    Growth,
    SurgeryResult,
    SurgeryTimes,
)
from keras_diffmask.export.machine import machine
from keras_diffmask.export.surgery import plan, strip
from keras_diffmask.masking import gates, mask_model

LAYERS = (16, 32, 64, 128, 256, 512)
FAMILIES = {"conv": networks.conv_chain, "dense": networks.dense_chain}
# Eight times the layers may take ten times as long; a quarter is for the weather.
SLACK = 1.25
_PLAN, _STRIP = "plan", "strip"
# Name, layers with weights (0: count them), constructor.
_Suite = list[tuple[str, int, Callable[[], keras.Model]]]


class _Operation:
    """`plan` or `strip` on one masked model, half of whose units are closed."""

    def __init__(self, operate: Callable[[Any], Any], model: keras.Model) -> None:
        self._operate, self._model = operate, model

    def prepare(self) -> None:
        """Clears what the one before it left: models are full of cycles.

        What is still there belongs to the other models of the suite. Python's
        collector would walk all of it while this one is timed.
        """
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def run(self) -> None:
        self._operate(self._model)


def surgery_times(
    layers: Sequence[int] = LAYERS,
    rounds: int = 3,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter_ns,
) -> SurgeryResult:
    """Times `export.plan` and `export.strip` against the number of layers.

    Two families of networks, residual convolutions and plain Dense layers, 8
    wide, and ResNet50; half of the units of every gate are closed. All models
    of a family are timed in turns, and growth is taken within each round.

    Args:
        layers: sizes of the networks, even numbers of at least 4, rising.
        rounds: measurements of each, at least 1.
        progress: called with (rounds done, rounds in all).
        clock: returns nanoseconds.

    Returns:
        The times, and how they grow.

    Raises:
        InvalidArgumentError: an argument is out of range.

    Example:
        >>> print(surgery_times((16, 128), rounds=1))
    """
    _check(layers, rounds)
    suites: list[_Suite] = [
        [(family, size, partial(make, size)) for size in layers]
        for family, make in FAMILIES.items()
    ]
    suites.append([("ResNet50", 0, resnet50)])
    times: list[SurgeryTimes] = []
    for done, suite in enumerate(suites):
        times += _suite(suite, rounds, clock, _after(progress, done, len(suites)))
    return SurgeryResult(
        times=tuple(times),
        growth=tuple(_growth(family, times) for family in FAMILIES),
        rounds=rounds,
        machine=machine(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def resnet50() -> keras.Model:
    """The network everybody knows: 54 layers with kernels, 25.6 million weights."""
    return keras.applications.ResNet50(weights=None, classifier_activation=None)


def _suite(
    suite: _Suite,
    rounds: int,
    clock: Clock,
    progress: Progress | None,
) -> list[SurgeryTimes]:
    runners: dict[str, _Operation] = {}
    sizes = []
    for number, (_, size, make) in enumerate(suite):
        masked = _half_closed(make())
        sizes.append(size or _kernels(masked))
        runners[f"{_PLAN} {number}"] = _Operation(plan, masked)
        runners[f"{_STRIP} {number}"] = _Operation(strip, masked)
    # The first surgery of a process also pays for what Keras imports late.
    runners[f"{_STRIP} 0"].run()
    once = dict.fromkeys(runners, 1)
    try:
        turns = interleaved(runners, rounds, once, clock, progress, settle=0)
    finally:
        gc.unfreeze()
    seconds = {
        name: tuple(turn[0] / 1e9 for turn in blocks) for name, blocks in turns.items()
    }
    return [
        SurgeryTimes(model, sizes[i], seconds[f"{_PLAN} {i}"], seconds[f"{_STRIP} {i}"])
        for i, (model, _, _) in enumerate(suite)
    ]


def _half_closed(model: keras.Model) -> keras.Model:
    masked = mask_model(model)
    for gate in gates(masked):
        keep = np.arange(gate.units).reshape(gate.mask_shape) % 2 == 0
        gate.set_keep(keep)
    return masked


def _kernels(model: keras.Model) -> int:
    layers = keras_internals.flatten_layers(model)
    return sum(hasattr(layer, "kernel") for layer in layers)


def _growth(family: str, times: list[SurgeryTimes]) -> Growth:
    own = [entry for entry in times if entry.model == family]
    long = own[-1]
    short = max(
        (entry for entry in own if 8 * entry.layers <= long.layers),
        key=lambda entry: entry.layers,
        default=own[0],
    )
    ratio = Ratio.of(str(long.layers), str(short.layers), long.both_s, short.both_s)
    return Growth(family, ratio, SLACK * long.layers / short.layers)


def _after(progress: Progress | None, done: int, parts: int) -> Progress | None:
    if progress is None:
        return None
    report = progress
    return lambda turn, rounds: report(done * rounds + turn, parts * rounds)


def _check(layers: Sequence[int], rounds: int) -> None:
    rising = list(layers) == sorted(set(layers))
    if not layers or not rising or min(layers) < 4 or any(n % 2 for n in layers):
        raise InvalidArgumentError(
            "layers as even numbers of at least 4, rising",
            f"layers={tuple(layers)!r}",
            "Pass for example 16 128.",
        )
    if rounds < 1:
        raise InvalidArgumentError(
            "rounds of at least 1", f"rounds={rounds!r}", "Pass rounds=3."
        )
