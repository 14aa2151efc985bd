"""Latencies that a table foretells, against those of the stripped models' files."""

from collections.abc import Callable
from datetime import UTC, datetime

import keras
import numpy as np

from keras_diffmask.costs import AnyCost, LatencyTable, Measured, gated_cost
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking.host import InterpreterRunner
from keras_diffmask.export.latency.accuracy_result import AccuracyResult, Foretold
from keras_diffmask.export.latency.measure import (
    converted,
    measure_latency,
    random_examples,
)
from keras_diffmask.export.latency.timing import turns
from keras_diffmask.export.machine import machine
from keras_diffmask.export.surgery import strip
from keras_diffmask.graph import trace
from keras_diffmask.masking import gates, mask_model
from keras_diffmask.masking.placement import place

#: MACs of the stripped models, as fractions of the dense model's: a factor of 2.
_LEAST, _MOST = 0.25, 0.5
#: Share of its units that a gate keeps.
_LEAST_KEPT = 0.2
_SECONDS_EACH = 0.5


def latency_accuracy(
    model: keras.Model,
    models: int = 20,
    quantization: str = "int8",
    rounds: int = 20,
    seed: int = 0,
    table: LatencyTable | None = None,
    progress: Callable[[str], None] | None = None,
) -> AccuracyResult:
    """Foretell the latency of stripped models from one table, and measure them.

    Random decisions leave between a quarter and half of the dense model's MACs,
    so that the number of MACs says little. The table is measured on the dense
    model alone. Each decision is stripped and converted; then all files are
    timed in turns.

    Args:
        model: the dense model.
        models: how many decisions, at least 3.
        quantization: `"int8"` or `"float32"`.
        rounds: turns through all files, at least 1.
        seed: of the decisions.
        table: of the dense model, where there is one already.
        progress: called after the table, after each conversion and after timing.

    Returns:
        An `AccuracyResult`: `table()` to read.

    Raises:
        InvalidArgumentError: an argument is out of range.

    Example:
        >>> print(latency_accuracy(networks.resnet8()))
    """
    if models < 3 or rounds < 1:
        raise InvalidArgumentError(
            "at least 3 models and 1 round",
            f"models={models!r}, rounds={rounds!r}",
            "Leave them out for 20 each.",
        )
    report = progress or (lambda remark: None)
    table = table or measure_latency(model, quantization)
    report("latency table")
    masked = mask_model(model)
    graph = trace(model)
    places = place(graph)
    parts = graph, places.gate_of, places.sizes, places.branches
    found = Measured(latency=table)
    macs, cost = (gated_cost(name, *parts, found) for name in ("macs", "latency"))
    examples = random_examples(model)
    files = [converted(model, quantization, examples)]
    decisions = _decisions([gate.units for gate in gates(masked)], macs, models, seed)
    for number, keeps in enumerate(decisions):
        for gate, keep in zip(gates(masked), keeps, strict=True):
            gate.set_keep(keep.astype(bool).reshape(gate.mask_shape))
        files.append(converted(strip(masked), quantization, examples))
        report(f"model {number + 1}")
    runners = {str(k): InterpreterRunner(content) for k, content in enumerate(files)}
    dense, *times = turns(runners, rounds, _SECONDS_EACH).values()
    report("timing")
    return AccuracyResult(
        network=model.name,
        quantization=quantization,
        dense_table_us=table.dense_ns / 1e3,
        dense_us=float(np.median(dense)) / 1e3,
        dense_macs=macs.dense([gate.units for gate in gates(masked)]),
        models=tuple(
            _foretold(macs.count(keeps), cost.count(keeps), ns)
            for keeps, ns in zip(decisions, times, strict=True)
        ),
        rounds=rounds,
        machine=machine(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _decisions(
    sizes: list[int], macs: AnyCost, models: int, seed: int
) -> list[list[np.ndarray]]:
    """Random ones, with MACs within a factor of 2 of each other."""
    rng = np.random.default_rng(seed)
    dense = macs.dense(sizes)
    found: list[list[np.ndarray]] = []
    while len(found) < models:
        kept = [max(1, round(size * rng.uniform(_LEAST_KEPT, 1))) for size in sizes]
        keeps = [
            rng.permutation(np.arange(size) < count).astype(float)
            for size, count in zip(sizes, kept, strict=True)
        ]
        if _LEAST <= macs.count(keeps) / dense <= _MOST:
            found.append(keeps)
    return found


def _foretold(macs: float, predicted: float, ns: np.ndarray) -> Foretold:
    low, middle, high = np.percentile(ns, [25, 50, 75])
    spread = float((high - low) / 2 / middle)
    return Foretold(macs, predicted / 1e3, float(middle) / 1e3, spread)
