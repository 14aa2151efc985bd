"""`measure_latency`: a model's latency table, measured on this computer."""

import dataclasses
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import keras
import numpy as np

from keras_diffmask.costs import Gating, LatencyRow, LatencyTable
from keras_diffmask.costs.latency import Latency
from keras_diffmask.costs.latency_table import fingerprint
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking.host import show_progress
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.latency.operators import Found, find
from keras_diffmask.export.latency.parts import Part, Whole, time_parts, time_whole
from keras_diffmask.export.machine import machine
from keras_diffmask.graph import trace
from keras_diffmask.lowering import Program, compiled, lower
from keras_diffmask.masking.placement import place

_QUANTIZATIONS = ("int8", "float32")
#: Of the model as a whole, which everything is scaled to.
_LEAST_ROUNDS = 20


def measure_latency(
    model: keras.Model,
    quantization: str = "int8",
    calibration: Any = None,
    device: str = "host",
    rounds: int = 10,
    verbose: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> LatencyTable:
    """Time each operator of a dense model at several numbers of channels.

    The model is converted once. Every operator of the file is cut out, with
    the first so many of its channels, and run alone in LiteRT, one thread; all
    numbers of channels of an operator in turns, so that a busy neighbour slows
    them alike. Both sides of the steps are among them that kernels have at
    multiples of 8 and 16 channels. The model as a whole is timed as well, and
    the sum of its parts scaled to it. The ResNet-8 of MLPerf Tiny takes about
    700 small models and a minute.

    Args:
        model: the dense model, of stock Keras layers, before it is masked.
        quantization: of the files, `"int8"` or `"float32"`.
        calibration: examples of its inputs, as for `to_tflite`; random ones by
            default, for values do not change the work that kernels do.
        device: `"host"`, this computer.
        rounds: turns through the numbers of channels of an operator, at least 1.
        verbose: show how far it is on standard error.
        progress: called with (parts done, parts in all).

    Returns:
        A `costs.LatencyTable`, for `Budget(latency=, latency_table=)`.

    Raises:
        InvalidArgumentError: an argument is not one of those.
        ConversionError: the model cannot be converted.
        MissingDependencyError: TensorFlow or ai-edge-litert is not installed.

    Example:

    ```python
    table = export.measure_latency(model)
    table.save("latency.json")
    budget = kd.Budget(latency="2 ms", latency_table=table)
    ```
    """
    _check(quantization, device, rounds)
    if calibration is None:
        calibration = random_examples(model)
    content = converted(model, quantization, calibration)
    gating = _gating(model)
    program = compiled(lower(gating.graph, gating.size, gating.alive))
    found = find(content, program, [*map(float, gating.sizes), 1.0])
    if progress is None and verbose:
        progress = show_progress
    parts = time_parts(found, rounds, progress)
    whole = time_whole(content, found, max(rounds, _LEAST_ROUNDS))
    here = machine()
    table = dataclasses.replace(
        _table(gating, program, found, parts, whole),
        model=model.name,
        quantization=quantization,
        device=device,
        machine=f"{here.cpu}, {here.system}",
        engine=f"LiteRT {here.libraries.get('ai-edge-litert', '')}, one thread",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    # What is left of the whole: the call, and operators that are in no row.
    rest = whole.ns - Latency.of(gating, table).dense(gating.sizes)
    return dataclasses.replace(table, call_ns=max(rest, 0.0))


def _gating(model: keras.Model) -> Gating:
    """Every gate that the model can have: what they close is what varies."""
    graph = trace(model)
    places = place(graph)
    return Gating(graph, places.gate_of, places.sizes, places.branches)


def _table(
    gating: Gating,
    program: Program,
    found: list[Found],
    parts: list[Part],
    whole: Whole,
) -> LatencyTable:
    """What was timed, by the operators of the program."""
    call = whole.call_ns
    placed = [(k, item.place) for k, item in enumerate(found) if item.place is not None]
    own = sum(max(ns - call, 0.0) for ns in whole.parts)
    return LatencyTable(
        model="",
        fingerprint=fingerprint(program, [*map(float, gating.sizes), 1.0]),
        rows=tuple(
            LatencyRow(
                place=at,
                layer=program.ops[at].name,
                kind=program.ops[at].kind,
                inputs=parts[k].inputs,
                outputs=parts[k].outputs,
                ns=_above(parts[k].ratios * whole.parts[k] - call),
                spread=whole.spreads[k],
            )
            for k, at in placed
        ),
        scale=max(whole.ns - call, 0.0) / max(own, 1.0),
        dense_ns=whole.ns,
        fixed=tuple(at for k, at in placed if parts[k].is_fixed),
    )


def _above(ns: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Not below 0, where an operator takes less than the call of one alone."""
    rounded = np.round(np.maximum(ns, 0.0), 1)
    return tuple(tuple(map(float, row)) for row in rounded)


def converted(model: keras.Model, quantization: str, calibration: Any) -> bytes:
    """A file for timing; without the remarks on what it answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        name = quantization if quantization == "int8" else None
        return to_tflite(model, name, calibration=calibration).content


def random_examples(model: keras.Model, examples: int = 8) -> Any:
    """Inputs to convert a model with, where their values do not matter."""
    rng = np.random.default_rng(0)
    arrays = []
    for tensor in model.inputs:
        shape = (examples, *tensor.shape[1:])
        if None in shape:
            raise InvalidArgumentError(
                "a model whose inputs have fixed shapes",
                f"{tensor.name} of shape {tuple(tensor.shape)}",
                "Give keras.Input the shape that the device will see.",
            )
        if "float" in tensor.dtype:
            arrays.append(rng.normal(size=shape).astype(np.float32))
        else:
            arrays.append(rng.integers(0, 2, shape).astype(tensor.dtype))
    return arrays if len(arrays) > 1 else arrays[0]


def _check(quantization: str, device: str, rounds: int) -> None:
    if quantization not in _QUANTIZATIONS:
        raise InvalidArgumentError(
            f"quantization as one of {', '.join(_QUANTIZATIONS)}",
            f"quantization={quantization!r}",
            'Leave it out for "int8".',
        )
    if device != "host":
        raise InvalidArgumentError(
            'device="host", the only device this version measures on',
            f"device={device!r}",
            "Leave it out.",
        )
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise InvalidArgumentError(
            "rounds as a whole number of at least 1",
            f"rounds={rounds!r}",
            "Leave it out for 10.",
        )
