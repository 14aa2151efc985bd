"""What the tools write for people, of every release since 2019."""

import math
import re
from collections.abc import Iterable
from typing import Any

from keras_diffmask.errors import DeviceError
from keras_diffmask.export.benchmark_model.figures import (
    COMPILED_MODEL,
    INTERPRETER,
    Figures,
)

_NUMBER = r"[-+0-9.eE]+"
# "INFO: text", or the newer tool's "INFO: [benchmark_litert_model.h:99] text".
_PREFIX = re.compile(r"^(?:[A-Z]+: )?(?:\[[\w./]+:\d+\] )?")
_COUNT = re.compile(r"count=(\d{1,15})\b")
_PAIR = re.compile(rf"(\w+)=({_NUMBER})")
_TIMINGS = re.compile(r"(?:Average i|I)nference timings in us: (.*)")
_TIMING = re.compile(rf"(\w[\w ()]*): ({_NUMBER})")
_DELTA = re.compile(r"emory footprint.*\(MB\): init=(\S+) overall=(\S+)")
_PEAK = re.compile(rf"eak memory footprint \(MB\) via periodic.*: ({_NUMBER})")
_IGNORED = re.compile(r"Unconsumed cmdline flags: (.*)")
_REPLACED = re.compile(
    r"Replacing (\d+) out of (\d+) node\(s\) with delegate \((\w+)\)"
    r"(?:.*yielding (\d+) partitions)?"
)
_APPLIED = re.compile(
    r"Explicitly applied (\w+) delegate, and the model graph will be "
    r"(completely|partially) executed by the delegate(?: w/ (\d+) delegate kernels)?"
)
_CREATED = re.compile(r"Created TensorFlow Lite (\w+) delegate")
_UNUSED = re.compile(r"Though \w+ delegate is explicitly applied, .* not be executed")
#: "Inference (avg): 1.23 ms (50 runs)" -> field, and microseconds in its unit.
_COMPILED = {
    "Model initialization": ("init_us", 1e3),
    "Warmup (first)": ("first_us", 1e3),
    "Inference (avg)": ("mean_us", 1e3),
    "Inference (min)": ("min_us", 1e3),
    "Inference (max)": ("max_us", 1e3),
    "Init footprint": ("init_mb", 1.0),
    "Overall footprint": ("overall_mb", 1.0),
    "Peak memory": ("peak_mb", 1.0),
}
_COMPILED_LINE = re.compile(
    rf"({'|'.join(map(re.escape, _COMPILED))}): ({_NUMBER})(?:.*\((\d+) runs\))?"
)
_STATISTICS = {
    "avg": "mean_us",
    "median": "median_us",
    "p5": "p5_us",
    "p95": "p95_us",
    "min": "min_us",
    "max": "max_us",
    "std": "std_us",
}


def read_output(out: str, err: str = "") -> Figures:
    """Reads what either tool wrote.

    Args:
        out: its stdout.
        err: its stderr, where the newer tool writes its results.

    Returns:
        The figures.

    Raises:
        DeviceError: it is neither tool's output, or nothing was timed.
    """
    lines = [_PREFIX.sub("", line) for line in f"{out}\n{err}".splitlines()]
    found: dict[str, Any] = _statistics(lines)
    timings = next((m[1] for m in map(_TIMINGS.search, lines) if m), None)
    if timings is not None:
        found = {**_timings(timings), **found, "tool": INTERPRETER}
    elif any("BENCHMARK RESULTS" in line for line in lines):
        # Its own lines are rounded to 0.01 ms: those of the base class are better.
        found = {**_compiled(lines), **found, "tool": COMPILED_MODEL}
    else:
        raise _unreadable(lines, "neither")
    found |= _memory(lines) | _delegate(lines)
    if not found.get("runs") or not found.get("mean_us"):
        raise _unreadable(lines, "no inference was timed:")
    for name in ("init_mb", "overall_mb", "peak_mb", "first_us"):
        found[name] = found.get(name) or None
    return Figures(**found)


def _statistics(lines: Iterable[str]) -> dict[str, Any]:
    """The last line of counts: the one before it is the warm-up's."""
    counts = [match for match in map(_COUNT.match, lines) if match]
    if not counts:
        return {}
    runs, line = int(counts[-1][1]), counts[-1].string
    pairs = {key: _number(value) for key, value in _PAIR.findall(line)}
    found: dict[str, Any] = {
        field: pairs[key] for key, field in _STATISTICS.items() if key in pairs
    }
    is_one = runs == 1 or "(all same)" in line
    if is_one and "avg" not in pairs and (one := pairs.get("curr")) is not None:
        found |= {"mean_us": one, "min_us": one, "max_us": one}
    return {**found, "runs": runs}


def _timings(text: str) -> dict[str, Any]:
    pairs = {key.strip(): _number(value) for key, value in _TIMING.findall(text)}
    names = {
        "init_us": ("Init",),
        "first_us": ("First inference",),
        # "Inference" until 2020, "no stats" of 2019.
        "mean_us": ("Inference (avg)", "Inference", "no stats"),
    }
    return {
        field: pairs[key]
        for field, keys in names.items()
        for key in keys
        if key in pairs
    }


def _compiled(lines: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for match in map(_COMPILED_LINE.search, lines):
        if match is not None:
            field, unit = _COMPILED[match[1]]
            found[field] = _number(match[2]) * unit
            if field == "mean_us" and match[3]:
                found["runs"] = int(match[3])
    return found


def _memory(lines: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        if delta := _DELTA.search(line):
            found["init_mb"], found["overall_mb"] = map(_number, delta.groups())
        elif peak := _PEAK.search(line):
            found["peak_mb"] = _number(peak[1])
    return found


def _delegate(lines: Iterable[str]) -> dict[str, Any]:
    """Who took the operations, by the words of the runtime and of the tool."""
    found: dict[str, Any] = {}
    ignored: list[str] = []
    for line in lines:
        if match := _REPLACED.search(line):
            found["delegated"], found["nodes"] = int(match[1]), int(match[2])
            found["is_whole"] = match[1] == match[2]
            found["delegate"] = match[3].removeprefix("TfLite").removesuffix("Delegate")
            if match[4]:
                found["parts"] = int(match[4])
        elif match := _APPLIED.search(line):
            found.setdefault("delegate", match[1])
            found["is_whole"] = match[2] == "completely"
            if match[3]:
                found["parts"] = int(match[3])
        elif match := _CREATED.search(line):
            found.setdefault("delegate", match[1])
        elif _UNUSED.search(line):
            return {"delegate": None, "ignored": tuple(ignored)}
        elif match := _IGNORED.search(line):
            ignored += match[1].split()
    return {**found, "ignored": tuple(ignored)}


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DeviceError(
            "numbers in what benchmark_model prints",
            f"{text!r}",
            "Look at what the tool prints when you run it by hand.",
        )
    return value


def _unreadable(lines: list[str], what: str) -> DeviceError:
    said = [line.strip() for line in lines if line.strip()]
    last = said[-1][:120] if said else "nothing at all"
    return DeviceError(
        "the results of one of Google's two benchmark_model tools",
        f"output with {what} of them, ending in {last!r}"
        if what == "neither"
        else f"output by which {what} it ends in {last!r}",
        "Run the tool by hand, with the command that the result or the docs show.",
    )
