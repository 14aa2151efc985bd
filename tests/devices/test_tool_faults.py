"""What goes wrong with Google's tool on a phone: one sentence, nothing left there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError, DeviceError
from keras_diffmask.export.benchmarking import BenchmarkResult
from keras_diffmask.export.cli import main
from tests.devices.fake_adbd import Device
from tests.devices.models import additions
from tests.devices.phone import canned_tool, elf, program, running, unique_sleep

LeftBehind = Callable[[Device], list[str]]
AARCH64 = 183
MODELS = {"dense": additions(3), "pruned": additions(2)}


def measure(tool: Path, device: str = "android", **more: object) -> BenchmarkResult:
    more = {"rounds": 2, "benchmark_model": tool, **more}
    return export.benchmark(MODELS, device, **more)


@pytest.mark.parametrize(
    ("machine", "loader", "built_for"),
    [
        (62, b"/system/bin/linker64", "x86_64"),
        (AARCH64, b"/lib/ld-linux-aarch64.so.1", "linux-aarch64"),
    ],
)
def test_a_tool_for_another_abi(
    phone: Device,
    tmp_path: Path,
    left_behind: LeftBehind,
    machine: int,
    loader: bytes,
    built_for: str,
) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(elf(machine, loader))
    with pytest.raises(
        DeviceError, match=rf"built for {built_for}\. Google publishes"
    ) as raised:
        measure(tool)
    assert "android_aarch64_benchmark_model" in str(raised.value)
    assert left_behind(phone) == []


def test_a_tool_that_cannot_start(
    phone: Device, tmp_path: Path, left_behind: LeftBehind
) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(elf(AARCH64, b"/system/bin/linker64"))
    with pytest.raises(
        DeviceError, match="a benchmark_model that the device can start"
    ):
        measure(tool)
    assert left_behind(phone) == []


def test_no_tool(
    phone: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_DIFFMASK_BENCHMARK_MODEL", raising=False)
    with pytest.raises(ArtifactError, match="publishes it for arm64-v8a at https://"):
        export.benchmark(MODELS, "android")
    cache = Path(os.environ["HOME"]) / ".cache/keras_diffmask/benchmark_model/arm64-v8a"
    cache.mkdir(parents=True, exist_ok=True)
    found = canned_tool(cache / "benchmark_model")
    assert export.benchmark(MODELS, "android", rounds=1).tool.path == str(found)
    other = canned_tool(tmp_path / "other")
    monkeypatch.setenv("KERAS_DIFFMASK_BENCHMARK_MODEL", str(other))
    assert export.benchmark(MODELS, "android", rounds=1).tool.path == str(other)
    found.unlink()


def test_a_model_that_crashes_the_tool(
    phone: Device, tmp_path: Path, left_behind: LeftBehind
) -> None:
    crash = 'case "$*" in *model_1*) echo "INFO: Loaded"; kill -SEGV $$;; esac'
    tool = canned_tool(tmp_path / "tool", crash)
    with pytest.raises(
        DeviceError, match=r"run 'pruned'.*SIGSEGV \(INFO: Load"
    ) as raised:
        measure(tool)
    assert [model.name for model in raised.value.partial.models] == ["dense"]
    assert left_behind(phone) == []


def test_a_model_that_the_tool_refuses(
    phone: Device, tmp_path: Path, left_behind: LeftBehind
) -> None:
    words = (
        "echo 'ERROR: Failed to load model x' >&2; echo 'ERROR: Benchmarking failed.'"
    )
    tool = program(tmp_path / "tool", f"{words} >&2; exit 1")
    with pytest.raises(DeviceError, match="status 1 .ERROR: Failed to load model x."):
        measure(tool)
    assert left_behind(phone) == []


@pytest.mark.parametrize("ends_orphans", [True, False])
def test_a_hang(
    phone: Device, tmp_path: Path, left_behind: LeftBehind, ends_orphans: bool
) -> None:
    phone.ends_orphans = ends_orphans
    sleep = unique_sleep()
    tool = canned_tool(
        tmp_path / "tool", f'case "$*" in *model_1*) exec {sleep};; esac'
    )
    with pytest.raises(
        DeviceError, match="of 'pruned' on .* within 2 seconds"
    ) as raised:
        measure(tool, timeout=2)
    assert raised.value.partial["dense"].runs == 96
    assert left_behind(phone) == []
    assert not running(sleep)


@pytest.mark.parametrize("text", ["", "\\377\\376 what\\n", "Segmentation\\n"])
def test_unreadable_output(
    phone: Device, tmp_path: Path, left_behind: LeftBehind, text: str
) -> None:
    tool = program(tmp_path / "tool", f"printf '{text}'")
    with pytest.raises(DeviceError, match="one of Google's two benchmark_model tools"):
        measure(tool)
    assert left_behind(phone) == []


def test_output_over_a_megabyte(phone: Device, tmp_path: Path) -> None:
    noise = "head -c 2000000 /dev/zero | tr '\\0' x; echo"
    tool = canned_tool(tmp_path / "tool", noise)
    assert measure(tool, rounds=1)["dense"].median_us == 10453.0


def test_a_fault_is_one_line_in_the_shell(
    phone: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "dense.tflite"
    model.write_bytes(MODELS["dense"])
    tool = canned_tool(tmp_path / "tool", "kill -ABRT $$")
    words = [str(model), "--device", "android", "--benchmark-model", str(tool)]
    assert main(["benchmark", *words]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert (
        "Expected benchmark_model to run 'dense'; received its death by SIGABRT" in err
    )


def test_a_damaged_result_file(phone: Device, tmp_path: Path) -> None:
    """The text says the same, with fewer digits."""
    tool = canned_tool(tmp_path / "tool", "printf 'damaged' > result.pb")
    assert measure(tool, rounds=1)["dense"].median_us == 10453.0
