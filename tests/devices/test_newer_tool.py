"""LiteRT's CompiledModel tool, which has the classic one's name, on a phone."""

from pathlib import Path

import pytest

from keras_diffmask import export
from keras_diffmask.errors import DeviceError, InvalidArgumentError
from tests.devices.fake_adbd import Device
from tests.devices.models import additions
from tests.devices.phone import canned_tool, program

pytestmark = pytest.mark.parametrize("adb_server", ["36"], indirect=True)
MODELS = {"dense": additions(2)}
RESULTS = """WARN: something else
INFO: [benchmark_litert_model.h:99] ========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:101] Model initialization: 1.25 ms
INFO: [benchmark_litert_model.h:103] Warmup (first): 3.50 ms
INFO: [benchmark_litert_model.h:107] Inference (avg): 1.50 ms (667 runs)
INFO: [benchmark_litert_model.h:120] Peak memory: 12.00 MB"""
COUNTS = (
    "INFO: count=667 first=1502 curr=1490 min=1251 max=2750 avg=1501.5 std=80 "
    "p5=1260 median=1490 p95=1700"
)


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    log = f'echo "$*" >> {tmp_path}/log'
    return program(
        tmp_path / "tool", f"{log}\necho '{COUNTS}'\ncat >&2 <<'END'\n{RESULTS}\nEND"
    )


def test_it_is_told_by_what_it_prints(
    phone: Device, tool: Path, tmp_path: Path
) -> None:
    result = export.benchmark(
        MODELS, "android", benchmark_model=tool, rounds=2, per_op=True
    )
    dense = result["dense"]
    assert result.tool.kind == "compiled_model"
    assert (dense.median_us, dense.mean_us, dense.runs) == (1490, 1501.5, 2 * 667)
    assert (dense.init_us, dense.first_us, dense.peak_mb) == (1250, 3500, 12)
    assert "the tool printed no table of operations" in result.remarks
    first, *others = (tmp_path / "log").read_text().splitlines()
    # Until it has shown which tool it is, the flags are those of the classic one.
    assert "--use_xnnpack=true" in first.split()
    assert all("--use_cpu=true" in line.split() for line in others)
    assert not any("use_xnnpack" in line for line in others)
    assert "--use_profiler=true" in others[-1].split()
    assert "benchmark_model (CompiledModel) sha256" in result.table()


def test_it_has_no_plain_kernels(phone: Device, tool: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="Take the classic benchmark_model"):
        export.benchmark(MODELS, "android", benchmark_model=tool, delegate="none")


def test_a_tool_without_a_gpu(phone: Device, tmp_path: Path) -> None:
    ignores = 'case "$*" in *use_gpu*) echo "WARN: Unconsumed cmdline flags: '
    tool = canned_tool(tmp_path / "tool", f'{ignores}--use_gpu=true";; esac')
    with pytest.raises(DeviceError, match="knows --use_gpu, for delegate='gpu'"):
        export.benchmark(MODELS, "android", benchmark_model=tool, delegate="gpu")
