"""`print` of whatever a function returns is a table to read, `repr` is one line."""

from collections.abc import Callable
from typing import Any

import keras
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.costs.latency_table import LatencyTable
from keras_diffmask.export.benchmarking.estimator_result import EstimatorResult
from keras_diffmask.export.benchmarking.records import ModelTimes
from keras_diffmask.export.benchmarking.result import BenchmarkResult
from keras_diffmask.export.benchmarking.surgery_result import SurgeryResult
from keras_diffmask.export.emulation.result import InstructionCounts
from keras_diffmask.export.latency.accuracy_result import AccuracyResult
from keras_diffmask.export.machine import machine
from keras_diffmask.summary import Summary
from tests.export.benchmarking import test_benchmark_surgery
from tests.export.latency import test_measure_latency
from tests.export.reporting import samples

CLASSES = (
    AccuracyResult, BenchmarkResult, EstimatorResult, InstructionCounts, LatencyTable,
    Summary, SurgeryResult, export.Artifact, export.Packed, export.Plan, export.Report,
    export.VelaEstimate, export.Verification,
)  # fmt: skip


@pytest.mark.parametrize("kind", CLASSES)
def test_every_result_says_how_it_prints(kind: Any) -> None:
    assert "__str__" in vars(kind) and "__repr__" in vars(kind)
    assert not kind.__dataclass_params__.repr


def _benchmark() -> Any:
    times = ModelTimes.from_times("dense", 5000, 12.5, [[30.0, 31.0, 32.0]] * 2)
    return BenchmarkResult((times,), machine(), "host", 1, "2026-01-01")


def _masked() -> keras.Model:
    layers = [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)]
    return kd.mask_model(keras.Sequential(layers))


MADE: dict[str, tuple[Callable[[], Any], str]] = {
    "benchmark": (_benchmark, "median"),
    "surgery": (lambda: test_benchmark_surgery._result(8.0, 2.0), "together"),
    "accuracy": (
        lambda: test_measure_latency._result((11.0, 21.0, 30.0, 44.0)),
        "median error",
    ),
    "report": (samples.full, "dense and pruned"),
    "plan": (lambda: export.plan(_masked()), "why it stays"),
    "summary": (lambda: kd.summary(_masked(), verbose=False), "parameters"),
}


@pytest.mark.parametrize("name", MADE)
def test_results_print_what_the_shell_prints(name: str) -> None:
    make, word = MADE[name]
    result = make()
    assert word in str(result) and type(result).__name__ not in str(result)
    if hasattr(result, "table"):
        assert str(result) == result.table()
    assert repr(result).startswith(f"<{type(result).__name__}")
    assert len(repr(result)) < 100 and "\n" not in repr(result)
