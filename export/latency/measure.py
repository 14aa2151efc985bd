"""`measure_latency`: a model's latency table, measured here or on a device."""

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import keras
import numpy as np

from keras_diffmask.costs import Gating, LatencyRow, LatencyTable
from keras_diffmask.costs.latency import Latency
from keras_diffmask.costs.latency_table import fingerprint
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking.device_settings import DeviceSettings
from keras_diffmask.export.benchmarking.host import show_progress
from keras_diffmask.export.device_names import EMULATED, HOST
from keras_diffmask.export.emit import to_tflite
from keras_diffmask.export.latency.device import turns_on
from keras_diffmask.export.latency.operators import Found, find
from keras_diffmask.export.latency.parts import Part, Whole, time_parts, time_whole
from keras_diffmask.export.latency.timing import Place, Turns, turns_here
from keras_diffmask.export.machine import machine
from keras_diffmask.graph import trace
from keras_diffmask.lowering import Program, compiled, lower
from keras_diffmask.masking.placement import place

_QUANTIZATIONS = ("int8", "float32")
#: Of the model as a whole, which everything is scaled to.
_LEAST_ROUNDS = 20
_ROUNDS, _DEVICE_ROUNDS = 10, 3


def measure_latency(
    model: keras.Model,
    quantization: str = "int8",
    calibration: Any = None,
    device: str = HOST,
    rounds: int | None = None,
    verbose: bool = False,
    progress: Callable[[int, int], None] | None = None,
    benchmark_model: str | os.PathLike[str] | None = None,
    cores: str | int | None = None,
    timeout: float = 120.0,
) -> LatencyTable:
    """Time each operator of a dense model at several numbers of channels.

    The model is converted once. Every operator of the file is cut out, with
    the first so many of its channels, and run alone in LiteRT, one thread; all
    numbers of channels of an operator in turns, so that a busy neighbour slows
    them alike. Both sides of the steps are among them that kernels have at
    multiples of 8 and 16 channels. The model as a whole is timed as well, and
    the sum of its parts scaled to it. The ResNet-8 of MLPerf Tiny takes about
    700 small models and a minute; on a phone, where each time is a start of
    Google's benchmark_model, about ten.

    Args:
        model: the dense model, of stock Keras layers, before it is masked.
        quantization: of the files, `"int8"` or `"float32"`.
        calibration: examples of its inputs, as for `to_tflite`; random ones by
            default, for values do not change the work that kernels do.
        device: `"host"`, this computer, or a phone or board as for `benchmark`.
        rounds: turns through the numbers of channels of an operator, at least 1;
            10 by default, 3 on a device.
        verbose: show how far it is on standard error.
        progress: called with (parts done, parts in all).
        benchmark_model: path of the tool for the device, see `benchmark`.
        cores: of a device, to run on, see `benchmark`.
        timeout: seconds after which one run on a device is given up.

    Returns:
        A `costs.LatencyTable`, for `Budget(latency=, latency_table=)`.

    Raises:
        InvalidArgumentError: an argument is not one of those.
        ConversionError: the model cannot be converted.
        MissingDependencyError: TensorFlow or ai-edge-litert is not installed.
        DeviceError: there is no such device, or it was lost.

    Example:

    ```python
    table = export.measure_latency(model)
    table.save("latency.json")
    budget = kd.Budget(latency="2 ms", latency_table=table)
    ```
    """
    if rounds is None:
        rounds = _ROUNDS if device == HOST else _DEVICE_ROUNDS
    _check(quantization, rounds)
    _check_host(device, benchmark_model=benchmark_model, cores=cores)
    if calibration is None:
        calibration = random_examples(model)
    if progress is None and verbose:
        progress = show_progress
    settings = DeviceSettings(benchmark_model, cores, timeout=timeout)
    with _turns(device, settings) as (turns, where):
        content = converted(model, quantization, calibration)
        gating = _gating(model)
        program = compiled(lower(gating.graph, gating.size, gating.alive))
        found = find(content, program, [*map(float, gating.sizes), 1.0])
        parts = time_parts(found, rounds, turns, progress)
        least = _LEAST_ROUNDS if device == HOST else rounds
        whole = time_whole(content, found, max(rounds, least), turns)
    table = dataclasses.replace(
        _table(gating, program, found, parts, whole),
        model=model.name,
        quantization=quantization,
        **dataclasses.asdict(where),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    # What is left of the whole: the call, and operators that are in no row.
    rest = whole.ns - Latency.of(gating, table).dense(gating.sizes)
    return dataclasses.replace(table, call_ns=max(rest, 0.0))


@contextlib.contextmanager
def _turns(device: str, settings: DeviceSettings) -> Iterator[tuple[Turns, Place]]:
    """What times the parts, and the words for where."""
    if device != HOST:
        with turns_on(device, settings) as found:
            yield found
        return
    here = machine()
    engine = f"LiteRT {here.libraries.get('ai-edge-litert', '')}, one thread"
    yield turns_here, Place(HOST, f"{here.cpu}, {here.system}", engine)


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


def _check_host(device: str, **given: object) -> None:
    if device == EMULATED:
        raise InvalidArgumentError(
            "a device that takes time, for a table of latencies",
            f"device={device!r}, whose instructions are no milliseconds",
            "Measure on this computer, a phone or a board.",
        )
    for name, value in given.items():
        if device == HOST and value is not None:
            raise InvalidArgumentError(
                f"no {name} on this computer",
                f"{name}={value!r}",
                'Leave it out, or pass device="android".',
            )


def _check(quantization: str, rounds: int) -> None:
    if quantization not in _QUANTIZATIONS:
        raise InvalidArgumentError(
            f"quantization as one of {', '.join(_QUANTIZATIONS)}",
            f"quantization={quantization!r}",
            'Leave it out for "int8".',
        )
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise InvalidArgumentError(
            "rounds as a whole number of at least 1",
            f"rounds={rounds!r}",
            "Leave it out for 10.",
        )
