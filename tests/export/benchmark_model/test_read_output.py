"""Every form in which the two tools have printed their figures."""

import math
import os
import random
from pathlib import Path

import pytest

from keras_diffmask.errors import DeviceError
from keras_diffmask.export.benchmark_model import (
    COMPILED_MODEL,
    INTERPRETER,
    read_ops,
    read_output,
    read_result,
)
from keras_diffmask.export.benchmark_model.proto import read_profile

TIMINGS = (
    "INFO: Inference timings in us: Init: 434, First inference: 10831, "
    "Warmup (avg): 10284.4, Inference (avg): 10483.8\n"
)
FULL = (
    "INFO: count=96 first=10424 curr=10453 min=10267 max=10905 avg=10483.8 std=104 "
    "p5=10363 median=10453 p95=10711\n"
)
WARM_UP = FULL.replace("96", "49").replace("10267", "1")
COMPILED = """INFO: [benchmark_litert_model.h:99] ===== BENCHMARK RESULTS =====
INFO: [benchmark_litert_model.h:101] Model initialization: 1.25 ms
INFO: [benchmark_litert_model.h:103] Warmup (first): 3.50 ms
INFO: [benchmark_litert_model.h:105] Warmup (avg): 2.00 ms (3 runs)
INFO: [benchmark_litert_model.h:107] Inference (avg): 1.50 ms (667 runs)
INFO: [benchmark_litert_model.h:109] Inference (min): 1.25 ms
INFO: [benchmark_litert_model.h:110] Inference (max): 2.75 ms
INFO: [benchmark_litert_model.h:111] Inference (std): 0.08
INFO: [benchmark_litert_model.h:113] Throughput: 20.00 MB/s
INFO: [benchmark_litert_model.h:115] Memory Usage:
INFO: [benchmark_litert_model.h:117] Init footprint: 3.50 MB
INFO: [benchmark_litert_model.h:118] Overall footprint: 4.25 MB
INFO: [benchmark_litert_model.h:120] Peak memory: 12.00 MB
"""


@pytest.fixture(scope="module")
def real() -> Path:
    """Outputs of Google's own program, kept outside of the repository."""
    above = Path(__file__).resolve().parents
    variable = "KERAS_DIFFMASK_TEST_TOOL_OUTPUT"
    folders = [Path(os.environ[variable])] if variable in os.environ else []
    folders += [p / "shared/data/benchmark_model_output" for p in above]
    for folder in folders:
        if (folder / "plain.txt").is_file():
            return folder
    pytest.skip(f"no saved outputs of benchmark_model ({variable}, or a shared folder)")


def test_a_real_run(real: Path) -> None:
    found = read_output((real / "plain.txt").read_text())
    assert (found.tool, found.runs, found.mean_us) == (INTERPRETER, 96, 10483.8)
    assert (found.p5_us, found.median_us, found.p95_us) == (10363, 10453, 10711)
    assert (found.min_us, found.max_us, found.std_us) == (10267, 10905, 104)
    assert (found.init_us, found.first_us) == (434, 10831)
    assert (found.init_mb, found.overall_mb) == (2.12891, 2.66406)
    assert found.peak_mb is None and found.delegate is None


def test_a_real_run_with_everything(real: Path) -> None:
    found = read_output((real / "op.txt").read_text(), (real / "op.err").read_text())
    assert (found.runs, found.median_us, found.peak_mb) == (5, 10403, 8.81641)
    binary = read_result((real / "r.pb").read_bytes())
    for name, value in binary.items():
        assert getattr(found, name) == pytest.approx(value, rel=2e-4), name
    assert len(binary) == 13


@pytest.mark.parametrize("name", ["op.csv", "op.txt"])
def test_real_operations(real: Path, name: str) -> None:
    rows = read_ops((real / name).read_text())
    kinds = ["CONV_2D", "DEPTHWISE_CONV_2D"] * 3
    assert [row.kind for row in rows] == [*kinds, "CONV_2D", "MEAN", "FULLY_CONNECTED"]
    assert rows[0].mean_us == {"op.csv": 4877.2, "op.txt": 3843.0}[name]
    assert rows[8].name == "[StatefulPartitionedCall_1:0]:8"


def test_the_real_profile_in_binary(real: Path) -> None:
    rows = read_profile((real / "op.pb").read_bytes())
    printed = read_ops((real / "op.txt").read_text())
    assert [(r.kind, r.name) for r in rows] == [(r.kind, r.name) for r in printed]
    assert rows[0].mean_us == 3796


def test_the_measurement_is_the_last_count() -> None:
    found = read_output(WARM_UP + FULL + TIMINGS)
    assert (found.runs, found.min_us) == (96, 10267)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("count=1 curr=26 p5=26 median=26 p95=26", (1, 26, 26, 26, 26)),
        ("count=9 curr=26(all same) p5=26 median=26 p95=26", (9, 26, 26, 26, 26)),
        ("count=9 curr=26(all same)", (9, 26, None, 26, 26)),
        (
            "count=5 first=9 curr=8 min=7 max=1.2e+06 avg=1.1e+06 std=3",
            (5, 1.1e6, None, 7, 1.2e6),
        ),
    ],
)
def test_forms_of_the_count(line: str, expected: tuple) -> None:
    timings = TIMINGS.replace("10483.8", f"{expected[1]:g}")
    found = read_output(f"INFO: {line}\n{timings}")
    values = (found.runs, found.mean_us, found.median_us, found.min_us, found.max_us)
    assert values == expected


@pytest.mark.parametrize("last", ["Inference: 79760.9", "no stats: 79760.9"])
def test_tools_of_2019_and_2020(last: str) -> None:
    text = (
        "count=50 first=79545 curr=80009 min=79100 max=81000 avg=79760.9 std=220\n"
        f"Average inference timings in us: Warmup: 83235, Init: 38467, {last}\n"
    )
    found = read_output(text)
    assert (found.tool, found.runs, found.mean_us) == (INTERPRETER, 50, 79760.9)
    assert (found.init_us, found.first_us, found.median_us) == (38467, None, None)
    assert found.typical_us == 79760.9


def test_memory_of_2020() -> None:
    text = FULL + TIMINGS + "Peak memory footprint (MB): init=1.5 overall=2.5\n"
    found = read_output(text)
    assert (found.init_mb, found.overall_mb, found.peak_mb) == (1.5, 2.5, None)


def test_no_memory_is_not_zero() -> None:
    delta = "INFO: Memory footprint delta from the start of the tool (MB): "
    found = read_output(FULL + TIMINGS + f"{delta}init=0 overall=0\n")
    assert found.init_mb is None and found.overall_mb is None


def test_no_warm_up_is_no_first_inference_of_zero() -> None:
    zero = TIMINGS.replace("First inference: 10831", "First inference: 0")
    assert read_output(FULL + zero).first_us is None


@pytest.mark.parametrize(
    "text",
    [
        "INFO: count=0\n" + TIMINGS.replace("10483.8", "0"),
        "INFO: count=0 p5=0 median=0 p95=0\n" + TIMINGS.replace("10483.8", "-nan"),
        FULL.replace("avg=10483.8", "avg=0") + TIMINGS,
        "INFO: count=7 first=1e\n",
        "count=\n",
        "",
        "hello",
    ],
)
def test_nothing_timed_is_refused(text: str) -> None:
    with pytest.raises(DeviceError, match="benchmark_model"):
        read_output(text)


def test_the_newer_tool() -> None:
    found = read_output(WARM_UP + FULL, COMPILED)
    assert found.tool == COMPILED_MODEL
    # Microseconds of the base class, where the tool itself rounds to 0.01 ms.
    assert (found.runs, found.mean_us, found.median_us) == (96, 10483.8, 10453)
    assert (found.init_us, found.first_us, found.std_us) == (1250, 3500, 104)
    assert (found.init_mb, found.overall_mb, found.peak_mb) == (3.5, 4.25, 12)


def test_the_newer_tool_alone() -> None:
    found = read_output("", COMPILED.replace("Peak memory: 12.00 MB", "Peak memory"))
    assert (found.runs, found.mean_us, found.min_us) == (667, 1500, 1250)
    # Of the deviation it gives no unit: it is left out.
    assert found.std_us is None and found.median_us is None and found.peak_mb is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "VERBOSE: Replacing 30 out of 31 node(s) with delegate "
            "(TfLiteGpuDelegateV2) node, yielding 2 partitions for the whole graph.",
            ("GpuDelegateV2", 30, 31, 2, False),
        ),
        (
            "INFO: Explicitly applied XNNPACK delegate, and the model graph will be "
            "completely executed by the delegate.",
            ("XNNPACK", None, None, None, True),
        ),
        (
            "INFO: Explicitly applied GPU delegate, and the model graph will be "
            "partially executed by the delegate w/ 3 delegate kernels.",
            ("GPU", None, None, 3, False),
        ),
        (
            "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
            ("XNNPACK", None, None, None, None),
        ),
        (
            "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
            "INFO: Though XNNPACK delegate is explicitly applied, the model graph "
            "will not be executed by the delegate.",
            (None, None, None, None, None),
        ),
        ("", (None, None, None, None, None)),
    ],
)
def test_who_ran_it(line: str, expected: tuple) -> None:
    found = read_output(FULL + TIMINGS, line)
    values = (found.delegate, found.delegated, found.nodes, found.parts, found.is_whole)
    assert values == expected


def test_flags_that_the_tool_ignored() -> None:
    line = "WARN: Unconsumed cmdline flags: --use_gpu=true --b=1\n"
    assert read_output(line + FULL + TIMINGS).ignored == ("--use_gpu=true", "--b=1")


def test_damaged_text_is_a_figure_or_a_sentence() -> None:
    whole = WARM_UP + FULL + TIMINGS + COMPILED
    whole += (
        "Memory footprint delta from the start of the tool (MB): init=1 overall=2\n"
    )
    draw = random.Random(0)
    read = 0
    for _ in range(2000):
        damaged = list(whole)
        for _ in range(draw.randint(1, 30)):
            place = draw.randrange(len(damaged))
            damaged[place] = draw.choice(
                ["", "\n", "9", "=", "e", "-", "\0", ":", "inf"]
            )
        try:
            found = read_output("".join(damaged))
        except DeviceError:
            continue
        read += 1
        assert found.runs > 0 and 0 < abs(found.mean_us) < math.inf
    assert read > 500
