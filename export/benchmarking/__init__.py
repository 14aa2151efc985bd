"""How fast a model is: on this computer, per operation, per training step;
and how long its surgery takes.

The folder has the longer name because `export.benchmark` is the function.
`training_step`, `surgery` and `networks` need Keras and are imported by their own
names.
"""

from keras_diffmask.export.benchmarking.command import benchmark
from keras_diffmask.export.benchmarking.records import (
    ModelTimes,
    OpTable,
    OpTime,
    Ratio,
)
from keras_diffmask.export.benchmarking.result import BenchmarkResult
from keras_diffmask.export.machine import Machine

__all__ = [
    "BenchmarkResult",
    "Machine",
    "ModelTimes",
    "OpTable",
    "OpTime",
    "Ratio",
    "benchmark",
]
