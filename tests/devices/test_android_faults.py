"""What goes wrong with phones: each one sentence, what was measured kept, and
nothing left on the device."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError, DeviceError
from keras_diffmask.export.benchmarking import BenchmarkResult
from tests.devices.conftest import free_port
from tests.devices.fake_adbd import Device
from tests.devices.models import additions
from tests.devices.old_server import start_old_server
from tests.devices.phone import canned_tool, running, unique_sleep

Make = Callable[..., Device]
LeftBehind = Callable[[Device], list[str]]
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

    def wait_and_pull() -> None:
        while not flag.exists():
            time.sleep(0.05)
        phone.unplug()

    threading.Thread(target=wait_and_pull, daemon=True).start()
    with pytest.raises(DeviceError, match="Expected an Android device that answers"):
        measure(tool, timeout=30)


def test_no_space(phone: Device, canned: Path, left_behind: LeftBehind) -> None:
    phone.space = 100
    with pytest.raises(DeviceError, match="no space left on it. Free some storage"):
        measure(canned)
    assert left_behind(phone) == []


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(
    phone: Device, tmp_path: Path, left_behind: LeftBehind, times: int
) -> None:
    flag, output = tmp_path / "running", tmp_path / "partial.json"
    sleep = unique_sleep()
    hang = f'case "$*" in *model_1*) touch {flag}; exec {sleep};; esac'
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
        # Started in the background by a shell, Python finds SIGINT ignored, and
        # hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not flag.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    for _ in range(times):
        child.send_signal(signal.SIGINT)
        time.sleep(0.02)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 1 and "Interrupted." in err
    assert left_behind(phone) == [] and not running(sleep)
    partial = BenchmarkResult.from_json(output.read_text())
    assert [model.name for model in partial.models] == ["dense"]
    assert partial.unfinished == "Interrupted." and "unfinished: Interrupted." in out


def test_an_adb_server_of_another_version(
    adb: Callable[..., str], canned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    server = start_old_server(port)
    with monkeypatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
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


def test_a_model_of_2_gib(phone: Device, canned: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.tflite"
    with open(large, "wb") as file:
        file.truncate(2**31)
    with pytest.raises(ArtifactError, match="below 2 GiB.*2,147,483,648 bytes"):
        export.benchmark({"large": large}, "android", benchmark_model=canned)
