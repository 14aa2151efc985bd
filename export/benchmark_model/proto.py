"""The tools' binary files, read without protobuf.

`--result_file_path` writes a `BenchmarkResult`, of tflite.tools.benchmark;
`--op_profiling_output_mode=proto` a `BenchmarkProfilingData`, of
tflite.profiling. Both formats are a few fields of floats and strings.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any

from keras_diffmask.errors import DeviceError
from keras_diffmask.export.benchmark_model.ops import OpRow

Value = int | float | bytes
# Field numbers, with what their value is multiplied by: milliseconds to our
# microseconds, and kB to MB.
_LATENCY = {
    1: ("mean_us", 1e3), 2: ("min_us", 1e3), 3: ("max_us", 1e3), 4: ("std_us", 1e3),
    5: ("median_us", 1e3), 6: ("p5_us", 1e3), 7: ("p95_us", 1e3), 8: ("init_us", 1e3),
    9: ("first_us", 1e3),
}  # fmt: skip
_MEMORY = {
    1: ("init_mb", 1 / 1024), 2: ("overall_mb", 1 / 1024), 3: ("peak_mb", 1.0)
}  # fmt: skip


def read_result(data: bytes) -> dict[str, Any]:
    """Reads a `BenchmarkResult`.

    Args:
        data: the file.

    Returns:
        Fields of `Figures` by name, those above 0: the format has no other
        word for what was not measured.

    Raises:
        DeviceError: it is no such file.
    """
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        if number == 2:
            found |= _scaled(value, _LATENCY)
        elif number == 3:
            found |= _scaled(value, _MEMORY)
        elif number == 4:
            counts = {k: v for k, v in _fields(value) if isinstance(v, int)}
            found["runs"] = counts.get(2, 0)
    return {key: value for key, value in found.items() if 0 < value < math.inf}


def _scaled(data: Value, names: dict[int, tuple[str, float]]) -> dict[str, float]:
    # Seven digits are what a 32-bit float holds: 10.263 ms, not 10.262999.
    return {
        names[number][0]: float(f"{value * names[number][1]:.7g}")
        for number, value in _fields(data)
        if number in names and not isinstance(value, bytes)
    }


def read_profile(data: bytes) -> tuple[OpRow, ...]:
    """Reads the operations of a `BenchmarkProfilingData`, in run order.

    Their times are whole microseconds there: the CSV form has more digits.

    Args:
        data: the file.

    Returns:
        The operations of the main graph while it ran.

    Raises:
        DeviceError: it is no such file.
    """
    placed = []
    for profile in _inside(data, 3):
        for graph in _inside(profile, 1):
            for op in _inside(graph, 3):
                placed.append(_op(op))
    return tuple(row for _, row in sorted(placed, key=lambda pair: pair[0]))


def _op(data: Value) -> tuple[int, OpRow]:
    parts: dict[int, Any] = dict(_fields(data))
    times = dict(_fields(parts.get(2, b"")))
    row = OpRow(
        kind=parts[1].decode("utf-8", "replace"),
        name=parts[5].decode("utf-8", "replace"),
        mean_us=float(times.get(3, 0)),
    )
    return parts.get(6, 0), row


def _inside(data: Value, wanted: int) -> list[Value]:
    return [value for number, value in _fields(data) if number == wanted]


def _fields(data: Value) -> Iterator[tuple[int, Value]]:
    """Number and value of each field of a message."""
    if not isinstance(data, bytes):
        raise _damaged()
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        value: Value
        if wire == 0:
            value, place = _varint(data, place)
        elif wire in (1, 5):
            size, form = (8, "<d") if wire == 1 else (4, "<f")
            if place + size > len(data):
                raise _damaged()
            (value,) = struct.unpack_from(form, data, place)
            place += size
        elif wire == 2:
            size, place = _varint(data, place)
            if place + size > len(data):
                raise _damaged()
            value, place = data[place : place + size], place + size
        else:
            raise _damaged()
        yield number, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 64:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    raise _damaged()


def _damaged() -> DeviceError:
    return DeviceError(
        "a whole result file of benchmark_model",
        "a damaged one",
        "Run it again; where it stays so, delete what is left on the device.",
    )
