"""A latency table from a device: every operator at its numbers of channels."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_diffmask import export
from keras_diffmask.costs import Latency
from keras_diffmask.errors import DeviceError, InvalidArgumentError
from keras_diffmask.export.cli import main
from keras_diffmask.export.latency import measure
from keras_diffmask.graph import trace
from tests.costs.latency_tables import gating_of
from tests.devices.fake_adbd import Device
from tests.devices.phone import program
from tests.export.latency.conftest import build_small, here  # noqa: F401

pytestmark = pytest.mark.parametrize("adb_server", ["36"], indirect=True)
#: A tool that takes a microsecond for each byte of the model.
BY_SIZE = """n=$(wc -c <"${1#--graph=}")
echo "INFO: count=5 first=9 curr=9 min=$n max=$n avg=$n.5 std=0 p5=9 median=9 p95=9"
echo "INFO: Inference timings in us: Init: 1, First inference: 2, Warmup (avg): 3, "\\
"Inference (avg): $n.5\""""


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    return program(tmp_path / "by_size", BY_SIZE)


def test_a_table_of_a_phone(
    here: Callable,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    phone: Device,
    tool: Path,
) -> None:
    monkeypatch.setattr(measure, "converted", here)
    model = build_small()
    table = export.measure_latency(
        model, device="android", rounds=1, benchmark_model=tool, cores="big"
    )
    assert table.device == f"android:{phone.serial}"
    assert table.machine == "Acme Fake Phone, Acme X1, Android 14"
    assert "one thread, cores c" in table.engine
    _, second, *_ = table.rows
    assert second.inputs == second.outputs == (1, 8, 9, 16, 17, 20)
    # As many bytes as the channels' weights, and the call taken off.
    assert all(a < b for a, b in zip(second.ns[-1], second.ns[-1][1:], strict=False))
    cost = Latency.of(gating_of(trace(model)), table)
    assert cost.dense(cost.sizes) >= table.dense_ns - 5
    assert os.listdir(phone.root / "data/local/tmp") == []


def test_from_a_shell(
    phone: Device, tool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, output = tmp_path / "small.keras", tmp_path / "latency.json"
    build_small().save(file)
    words = ["benchmark", "--table", str(file), "--device", "android", "--rounds", "1"]
    words += ["--benchmark-model", str(tool), "-o", str(output)]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "CONV_2D, 20 input channels" in text and "20 channels" in text
    assert "100%" in text and "Acme Fake Phone" in text
    assert json.loads(output.read_text())["device"] == f"android:{phone.serial}"
    assert main(words) == 1
    assert "which exists" in capsys.readouterr().err


def test_a_phone_that_is_lost(
    here: Callable,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    phone: Device,
    tool: Path,
) -> None:
    monkeypatch.setattr(measure, "converted", here)
    with pytest.raises(DeviceError, match="may still be on it"):
        export.measure_latency(
            build_small(),
            device="android",
            rounds=1,
            benchmark_model=tool,
            progress=lambda done, total: phone.unplug(),
        )


def test_what_is_for_devices_only(adb: Callable[..., str]) -> None:
    with pytest.raises(InvalidArgumentError, match="no cores on this computer"):
        export.measure_latency(build_small(), cores="big")
