"""What goes wrong with phones: each one sentence, what was measured kept, and
nothing left on the device."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError, DeviceError
from keras_diffmask.export.benchmarking import BenchmarkResult
from keras_diffmask.export.cli import main
from tests.devices.conftest import free_port
from tests.devices.fake_adbd import Device
from tests.devices.models import additions
from tests.devices.old_server import start_old_server
from tests.devices.phone import canned_tool, elf, program

Make = Callable[..., Device]
LeftBehind = Callable[[Device], list[str]]
AARCH64 = 183
MODELS = {"dense": additions(3), "pruned": additions(2)}


@pytest.fixture
def canned(tmp_path: Path) -> Path:
    return canned_tool(tmp_path / "canned")


def measure(tool: Path, device: str = "android", **more: object) -> BenchmarkResult:
    more = {"rounds": 2, "benchmark_model": tool, **more}
    return export.benchmark(MODELS, device, **more)


def test_no_device(adb: Callable[..., str], canned: Path) -> None:
    with pytest.raises(DeviceError, match=r"received no device\. Plug one in"):
        measure(canned)


def test_an_absent_serial(phone: Device, canned: Path) -> None:
    with pytest.raises(DeviceError, match=r"serial='nope'.*it sees 127\.0\.0\.1:"):
        measure(canned, "android:nope")
    with pytest.raises(DeviceError, match="adb connect 127.0.0.1:9"):
        measure(canned, "android:127.0.0.1:9")


def test_unauthorised(make_phone: Make, adb: Callable[..., str], canned: Path) -> None:
    phone = make_phone(locked=True)
    with pytest.raises(DeviceError, match="authoriz.*Unlock it, and allow USB"):
        measure(canned)
    with pytest.raises(DeviceError, match="authoriz"):
        measure(canned, f"android:{phone.serial}")


def test_lost_in_mid_run(
    phone: Device, canned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        DeviceError, match="keras_diffmask-.* may still be on it"
    ) as raised:
        measure(canned, rounds=3, progress=lambda done, total: phone.unplug())
    partial = raised.value.partial
    assert [len(model.round_us) for model in partial.models] == [1, 1]
    assert "Expected an Android device" in partial.unfinished
    assert BenchmarkResult.from_json(partial.to_json()) == partial
    assert "unfinished: Expected an Android device" in partial.table()


def test_lost_while_a_model_runs(phone: Device, tmp_path: Path) -> None:
    """adb 29 ends with status 0 and no output then."""
    flag = tmp_path / "running"
    tool = canned_tool(tmp_path / "tool", f"touch {flag}; sleep 60")
    unplug = f"while not os.path.exists({str(flag)!r}): time.sleep(0.05)"

    def wait_and_pull() -> None:
        exec(unplug, {"os": os, "time": time})
        phone.unplug()

    import threading

    threading.Thread(target=wait_and_pull, daemon=True).start()
    with pytest.raises(DeviceError, match="Expected an Android device that answers"):
        measure(tool, timeout=30)


def test_no_space(phone: Device, canned: Path, left_behind: LeftBehind) -> None:
    phone.space = 100
    with pytest.raises(DeviceError, match="no space left on it. Free some storage"):
        measure(canned)
    assert left_behind(phone) == []


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


def test_a_hang(phone: Device, tmp_path: Path, left_behind: LeftBehind) -> None:
    tool = canned_tool(
        tmp_path / "tool", 'case "$*" in *model_1*) exec sleep 1234;; esac'
    )
    with pytest.raises(
        DeviceError, match="of 'pruned' on .* within 2 seconds"
    ) as raised:
        measure(tool, timeout=2)
    assert raised.value.partial["dense"].runs == 96
    assert left_behind(phone) == []
    assert not running("sleep 1234")


def running(words: str) -> bool:
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True)
    return words in listing.stdout.splitlines()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(
    phone: Device, tmp_path: Path, left_behind: LeftBehind, times: int
) -> None:
    flag, output = tmp_path / "running", tmp_path / "partial.json"
    hang = f'case "$*" in *model_1*) touch {flag}; exec sleep {3210 + times};; esac'
    tool = canned_tool(tmp_path / "tool", hang)
    files = []
    for name, content in MODELS.items():
        files.append(tmp_path / f"{name}.tflite")
        files[-1].write_bytes(content)
    words = ["benchmark", *map(str, files), "--device", "android", "-o", str(output)]
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "keras_diffmask",
            *words,
            "--benchmark-model",
            str(tool),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not flag.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    for _ in range(times):
        child.send_signal(signal.SIGINT)
        time.sleep(0.02)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 1 and "Interrupted." in err
    assert left_behind(phone) == [] and not running(f"sleep {3210 + times}")
    partial = BenchmarkResult.from_json(output.read_text())
    assert [model.name for model in partial.models] == ["dense"]
    assert partial.unfinished == "Interrupted." and "unfinished: Interrupted." in out


def test_an_adb_server_of_another_version(
    adb: Callable[..., str], canned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    server = start_old_server(port)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    try:
        with pytest.raises(DeviceError, match="Another adb on this computer is of"):
            measure(canned)
        assert not server.is_alive()
    finally:
        adb("kill-server")


def test_two_devices(make_phone: Make, canned: Path, left_behind: LeftBehind) -> None:
    phones = [make_phone(), make_phone()]
    with pytest.raises(DeviceError, match="several"):
        measure(canned)
    for phone in phones:
        result = measure(canned, f"android:{phone.serial}", rounds=1)
        assert result.device == f"android:{phone.serial}"
        assert left_behind(phone) == []


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


def test_a_model_of_2_gib(phone: Device, canned: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.tflite"
    with open(large, "wb") as file:
        file.truncate(2**31)
    with pytest.raises(ArtifactError, match="below 2 GiB.*2,147,483,648 bytes"):
        export.benchmark({"large": large}, "android", benchmark_model=canned)


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
