"""Times of many small models, relative to one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.benchmarking.host import InterpreterRunner
from keras_diffmask.export.benchmarking.interleave import (
    Runner,
    interleaved,
    runs_per_round,
    warm_up,
)
from keras_diffmask.export.flatbuffer import schema

_WARM_UP = 3


@dataclass(frozen=True)
class Place:
    """Where a table was measured, in its own words: see `LatencyTable`."""

    device: str
    machine: str
    engine: str


class Turns(Protocol):
    """What times models in turns: this computer, or a device."""

    def __call__(
        self, contents: Mapping[str, bytes], rounds: int, seconds: float
    ) -> dict[str, np.ndarray]:
        """Nanoseconds of each model in each of some rounds.

        Args:
            contents: .tflite files by name.
            rounds: turns through all of them.
            seconds: time for each.
        """


def turns_here(
    contents: Mapping[str, bytes], rounds: int, seconds: float
) -> dict[str, np.ndarray]:
    """On this computer; see `Turns`."""
    runners = {name: InterpreterRunner(content) for name, content in contents.items()}
    return turns(runners, rounds, seconds)


def turns(
    runners: Mapping[str, Runner], rounds: int, seconds: float
) -> dict[str, np.ndarray]:
    """Median nanoseconds of each runner in each of some rounds.

    Args:
        runners: what to time, in turns.
        rounds: turns through all of them.
        seconds: time for each.
    """
    runs = {
        name: max(2, runs_per_round(warm_up(runner, _WARM_UP), rounds, seconds))
        for name, runner in runners.items()
    }
    times = interleaved(runners, rounds, runs)
    return {
        name: np.array([np.median(block) for block in blocks], np.float64)
        for name, blocks in times.items()
    }


def runner_of(content: bytes) -> InterpreterRunner | None:
    """The model, if LiteRT runs it and finds the output's shape as it is written."""
    try:
        runner = InterpreterRunner(content)
        runner.prepare()
        runner.run()
    except ArtifactError:
        return None
    graph = schema().Model.GetRootAs(content, 0).Subgraphs(0)
    for index, detail in enumerate(runner.interpreter.get_output_details()):
        written = graph.Tensors(graph.Outputs(index)).ShapeAsNumpy()
        if list(detail["shape"]) != list(np.atleast_1d(written)):
            return None
    return runner


def nothing() -> bytes:
    """A model of one operator on one number: what a call takes by itself."""
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    made = schema()
    model, graph, op = made.ModelT(), made.SubGraphT(), made.OperatorT()
    code, empty = made.OperatorCodeT(), made.BufferT()
    model.version, model.description = 3, "nothing"
    code.builtinCode = code.deprecatedBuiltinCode = made.BuiltinOperator.ADD
    code.version = 1
    graph.tensors = [_number(made, name) for name in ("x", "y")]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [op]
    op.opcodeIndex, op.inputs, op.outputs = 0, [0, 0], [1]
    op.builtinOptionsType = made.BuiltinOptions.AddOptions
    op.builtinOptions = made.AddOptionsT()
    model.subgraphs, model.operatorCodes, model.buffers = [graph], [code], [empty]
    return bytes(convert_object_to_bytearray(model))


def _number(made: object, name: str) -> object:
    tensor = made.TensorT()  # type: ignore[attr-defined]
    tensor.name, tensor.shape, tensor.buffer = name, [1, 1], 0
    tensor.type = made.TensorType.FLOAT32  # type: ignore[attr-defined]
    return tensor
