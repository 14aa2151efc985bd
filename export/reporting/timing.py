"""From benchmarks, measured or saved, to the times of a report.

Devices differ in what they tell: every figure of a benchmark is read by its
name, and what a device did not give stays away.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from keras_diffmask.errors import ArtifactError, DiffmaskError, InvalidArgumentError
from keras_diffmask.export.benchmarking import BenchmarkResult
from keras_diffmask.export.emulation import InstructionCounts
from keras_diffmask.export.reporting.records import (
    ModelFacts,
    OpCost,
    Quotient,
    Times,
    Timing,
)

# Field of a report -> field of a benchmark.
_FIELDS = {
    "bytes": "bytes",
    "median": "median_us",
    "p5": "p5_us",
    "p95": "p95_us",
    "minimum": "min_us",
    "mean": "mean_us",
    "deviation": "std_us",
    "init": "init_us",
    "first": "first_us",
    "runs": "runs",
    "peak_mb": "peak_mb",
}


def timings_of(benchmark: Any, models: tuple[ModelFacts, ...]) -> tuple[Timing, ...]:
    """The benchmarks of a report.

    Args:
        benchmark: a `BenchmarkResult`, the path of a saved one, a list of these,
            or None.
        models: the report's models; ratios are against the first.

    Returns:
        One entry per benchmark.

    Raises:
        InvalidArgumentError: it is none, or of other models.
        ArtifactError: a saved one cannot be read.
    """
    if benchmark is None:
        return ()
    single = isinstance(benchmark, (str, os.PathLike)) or hasattr(benchmark, "models")
    given: Iterable[Any] = [benchmark] if single else benchmark
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise _no_benchmark(benchmark)
    return tuple(_timing(_read(one), models) for one in given)


def _read(one: Any) -> BenchmarkResult:
    if isinstance(one, (str, os.PathLike)):
        try:
            text = Path(one).read_text("utf-8")
            return BenchmarkResult.from_json(text)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no UTF-8 text"
            raise ArtifactError(
                "the file of a benchmark that can be read",
                f"{os.fspath(one)!r} ({reason})",
                "Write one with `keras-diffmask benchmark ... -o benchmark.json`.",
            ) from error
        except ArtifactError as error:
            raise ArtifactError(
                error.expected,
                f"{os.fspath(one)!r}, which is none",
                "Write one with `keras-diffmask benchmark ... -o benchmark.json`.",
            ) from error
    if isinstance(one, InstructionCounts):
        raise InvalidArgumentError(
            "benchmark of times",
            "counts of instructions, which are none",
            "Print their table(); a page shows what a computer or a phone measured.",
        )
    if not hasattr(one, "models") or not hasattr(one, "machine"):
        raise _no_benchmark(one)
    return one


def _no_benchmark(one: Any) -> InvalidArgumentError:
    return InvalidArgumentError(
        "benchmark as what export.benchmark returned, or the path of a saved one",
        f"a {type(one).__name__}",
        "Pass benchmark=export.benchmark([dense, pruned]).",
    )


def _timing(result: Any, models: tuple[ModelFacts, ...]) -> Timing:
    sizes = {model.name: model.bytes for model in models}
    times = tuple(_times(model) for model in result.models)
    _check_same(times, sizes)
    first = models[0].name
    ratios = [_quotient(result, model.name, first) for model in times]
    remarks = [getattr(result, "unfinished", ""), *getattr(result, "remarks", ())]
    return Timing(
        device=str(result.device),
        label=_label(result),
        threads=getattr(result, "threads", None),
        created=str(getattr(result, "created", "")),
        facts=tuple(device_facts(result)),
        models=times,
        ratios=tuple(ratio for ratio in ratios if ratio is not None),
        remarks=tuple(str(remark) for remark in remarks if remark),
        commands=tuple(map(str, getattr(result, "commands", ()))),
    )


def _check_same(times: tuple[Times, ...], sizes: dict[str, int]) -> None:
    known = [one for one in times if one.name in sizes]
    if not known:
        raise InvalidArgumentError(
            f"a benchmark of the models of this report ({', '.join(sizes)})",
            f"one of {', '.join(one.name for one in times)}",
            "Give the models the names that they had when they were measured.",
        )
    for one in known:
        if one.bytes is not None and one.bytes != sizes[one.name]:
            raise InvalidArgumentError(
                f"a benchmark of {one.name!r} as it is here, {sizes[one.name]:,} bytes",
                f"one of {one.bytes:,} bytes",
                "Measure again: the file has changed since.",
            )


def _times(model: Any) -> Times:
    found = {name: getattr(model, theirs, None) for name, theirs in _FIELDS.items()}
    table = getattr(model, "ops", None)
    return Times(
        name=model.name,
        rounds=tuple(getattr(model, "round_us", None) or ()),
        fastest=tuple(getattr(model, "round_min_us", None) or ()),
        delegate=_delegate(model),
        ops=tuple(
            OpCost(op.index, op.op, op.output, op.median_us)
            for op in (table.ops if table is not None else ())
        ),
        ops_are=str(getattr(table, "statistic", "median")),
        ops_sum=getattr(table, "sum_us", None),
        ops_whole=getattr(table, "whole_us", None),
        note=str(getattr(model, "note", "") or ""),
        **found,
    )


def _quotient(result: Any, name: str, first: str) -> Quotient | None:
    """None where the benchmark has no such pair: then there is no ratio."""
    if name == first:
        return None
    try:
        ratio = result.ratio(name, first)
    except (DiffmaskError, ValueError, IndexError):
        return None
    median, p5, p95 = float(ratio.median), float(ratio.p5), float(ratio.p95)
    return Quotient(name, first, median, p5, p95, int(ratio.rounds))


def _delegate(model: Any) -> str:
    name = getattr(model, "delegate", None)
    if not name:
        return ""
    taken, nodes = getattr(model, "delegated", None), getattr(model, "nodes", None)
    return str(name) if None in (taken, nodes) else f"{name}, {taken} of {nodes} nodes"


def _label(result: Any) -> str:
    facts = getattr(result, "facts", None)
    if facts is not None:
        words = [getattr(facts, key, None) for key in ("model", "soc")]
        return str(next((word for word in words if word), result.device))
    return str(getattr(result.machine, "cpu", "") or result.device)


def device_facts(result: Any) -> Iterable[tuple[str, str]]:
    """Whatever the benchmark knows of the device, field by field."""
    yield from _fields(getattr(result, "facts", None))
    for key, value in _fields(getattr(result, "tool", None)):
        yield f"tool, {key}", value
    mark = "" if getattr(result, "facts", None) is None else "driven by "
    for key, value in _fields(result.machine):
        yield mark + key, value


def _fields(record: Any) -> Iterable[tuple[str, str]]:
    for field in dataclasses.fields(record) if record is not None else ():
        value = getattr(record, field.name)
        if isinstance(value, dict):
            yield from ((str(key), str(one)) for key, one in value.items())
        elif isinstance(value, (tuple, list)):
            if value:
                yield field.name.replace("_", " "), ", ".join(map(str, value))
        elif isinstance(value, (str, int, float)) and value != "":
            yield field.name.replace("_", " "), str(value)
