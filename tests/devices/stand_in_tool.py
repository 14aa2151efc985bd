"""A stand-in for Google's classic `benchmark_model`: its flags, its words.

Google's program cannot be had from any package index. This one runs the model in
LiteRT and prints what the real one prints, of the output in devices.md and of the
saved runs that the parsers are tested on.
"""

import struct
import sys
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

KNOWN = (
    "graph num_threads num_runs min_secs max_secs warmup_runs warmup_min_secs "
    "use_xnnpack result_file_path report_peak_memory_footprint "
    "memory_footprint_check_interval_ms enable_op_profiling op_profiling_output_mode "
    "op_profiling_output_file"
).split()
#: Seconds, whatever is asked for: tests of many runs are in a hurry.
LONGEST = 1e9


def say(text):
    print(f"INFO: {text}")


def fail(text):
    print(f"ERROR: {text}", file=sys.stderr)
    print("ERROR: Benchmarking failed.", file=sys.stderr)
    sys.exit(1)


def run(interpreter, runs, seconds, most):
    say(
        f"Running benchmark for at least {runs} iterations and at least {seconds:g} "
        f"seconds but terminate if exceeding {most:g} seconds."
    )
    times, start = [], time.perf_counter()
    enough = min(seconds, LONGEST)
    while len(times) < runs or time.perf_counter() - start < enough:
        before = time.perf_counter_ns()
        interpreter.invoke()
        times.append((time.perf_counter_ns() - before) // 1000)
    print(f"INFO: {statistics(times)}\n")
    return times


def statistics(times):
    if len(times) == 1:
        return "count=1 curr={0} p5={0} median={0} p95={0}".format(*times)
    p5, median, p95 = (sorted(times)[int(len(times) * q)] for q in (0.05, 0.5, 0.95))
    ends = f"p5={p5} median={median} p95={p95}"
    if min(times) == max(times):
        return f"count={len(times)} curr={times[0]}(all same) {ends}"
    return (
        f"count={len(times)} first={times[0]} curr={times[-1]} min={min(times)} "
        f"max={max(times)} avg={np.mean(times):.6g} std={int(np.std(times))} {ends}"
    )


def float_field(number, value):
    return bytes([number << 3 | 5]) + struct.pack("<f", value)


def message(number, content):
    return bytes([number << 3 | 2, len(content)]) + content


def binary_result(times, warm, init):
    p5, median, p95 = (sorted(times)[int(len(times) * q)] for q in (0.05, 0.5, 0.95))
    numbers = (np.mean(times), min(times), max(times), np.std(times), median, p5, p95)
    latency = b"".join(
        float_field(number, value / 1000)
        for number, value in enumerate((*numbers, init, warm[0], np.mean(warm)), 1)
    )
    low, high = len(times) & 0x7F | 0x80, len(times) >> 7
    runs = bytes([2 << 3, low, high & 0x7F | 0x80, high >> 7])
    return message(2, latency) + message(4, runs)


def profile(model, mean):
    ops = [op for op in model._get_ops_details() if op["op_name"] != "DELEGATE"]
    title = "=" * 30 + " Run Order " + "=" * 30
    header = "node type, first, avg_ms, %, cdf%, mem KB, times called, name"
    each = mean / 1000 / len(ops)
    rows = [
        f"{op['op_name']}, {each:.3f}, {each:.4f}, {100 / len(ops):g}%, 1%, 0, 1, "
        f"[op]:{op['index']}"
        for op in ops
    ]
    first = f"Profiling Info for Benchmark Initialization:\n{title}\n{header}\n"
    first += "AllocateTensors, 0.072, 0.072, 100%, 100%, 180, 1, AllocateTensors/0\n"
    second = "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
    return "\n".join([first, "", second + title, header, *rows, "", ""])


def main(words):
    pairs = dict(word.removeprefix("--").partition("=")[::2] for word in words)
    ignored = [f"--{key}={pairs.pop(key)}" for key in [*pairs] if key not in KNOWN]
    say("STARTING!")
    if ignored:
        print(f"WARN: Unconsumed cmdline flags: {' '.join(ignored)}")
    say("Log parameter values verbosely: [0]")
    graph = pairs["graph"]
    if not Path(graph).exists():
        print(f"ERROR: Could not open '{graph}'.", file=sys.stderr)
        fail(f"Failed to load model {graph}")
    start = time.perf_counter_ns()
    try:
        model = Interpreter(graph, num_threads=int(pairs.get("num_threads", 1)))
        model.allocate_tensors()
    except ValueError:
        fail("The model is not a valid Flatbuffer buffer")
    init = (time.perf_counter_ns() - start) // 1000
    say(f"Loaded model {graph}")
    if pairs.get("use_xnnpack") == "true":
        say(
            "Explicitly applied XNNPACK delegate, and the model graph will be "
            "completely executed by the delegate w/ 1 delegate kernels."
        )
    say(f"The input model file size (MB): {Path(graph).stat().st_size / 1e6:g}")
    say(f"Initialized session in {init / 1000:g}ms.")
    most = float(pairs.get("max_secs", 150))
    counts = (int(pairs["warmup_runs"]), float(pairs["warmup_min_secs"]), most)
    warm = run(model, *counts)
    times = run(model, int(pairs["num_runs"]), float(pairs["min_secs"]), most)
    say(
        f"Inference timings in us: Init: {init}, First inference: {warm[0]}, Warmup "
        f"(avg): {np.mean(warm):.6g}, Inference (avg): {np.mean(times):.6g}"
    )
    say("Memory footprint delta from the start of the tool (MB): init=2.1 overall=2.6")
    if "report_peak_memory_footprint" in pairs:
        say("Overall peak memory footprint (MB) via periodic monitoring: 8.81641")
    if path := pairs.get("result_file_path"):
        Path(path).write_bytes(binary_result(times, warm, init))
    if path := pairs.get("op_profiling_output_file"):
        Path(path).write_text(profile(model, float(np.mean(times))))


main(sys.argv[1:])
