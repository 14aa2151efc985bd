"""`benchmark(device="android")` from end to end, over the real adb."""

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking import BenchmarkResult
from keras_diffmask.export.cli import main
from tests.devices.fake_adbd import Device
from tests.devices.models import additions
from tests.devices.phone import canned_tool, program, real_tool

Make = Callable[..., Device]
LeftBehind = Callable[[Device], list[str]]
MODELS = {"dense": additions(40, 20000), "pruned": additions(10, 20000)}


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    pytest.importorskip("ai_edge_litert")
    return real_tool(tmp_path / "benchmark_model")


@pytest.fixture
def canned(tmp_path: Path) -> Path:
    return canned_tool(tmp_path / "canned")


def test_dense_against_pruned(
    phone: Device, tool: Path, left_behind: LeftBehind, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    result = export.benchmark(
        MODELS,
        "android",
        benchmark_model=tool,
        cores="big",
        threads=2,
        rounds=2,
        seconds=0.1,
        per_op=True,
        progress=lambda *done: seen.append(done),
    )
    assert seen == [(1, 2), (2, 2)]
    assert left_behind(phone) == []
    dense, pruned = result.models
    assert dense.bytes == len(MODELS["dense"]) and dense.runs >= 4
    assert dense.min_us <= dense.p5_us <= dense.median_us <= dense.p95_us
    assert 0 < result.ratio("pruned", "dense").median < 0.7
    assert (dense.delegate, dense.parts, dense.peak_mb) == ("XNNPACK", 1, 8.81641)
    assert [op.op for op in pruned.ops.ops] == ["ADD"] * 10
    assert pruned.ops.statistic == "mean"
    assert result.facts.model == "Acme Fake Phone"
    assert (result.tool.kind, result.tool.cores) == ("interpreter", "c")
    assert len(result.tool.sha256) == 64 and len(result.conditions) == 3
    assert result.device == f"android:{phone.serial}" and not result.unfinished
    path = result.save(tmp_path / "result.json")
    assert BenchmarkResult.from_json(path.read_text()) == result


def test_the_commands_repeat_it(
    phone: Device, tool: Path, adb: Callable[..., str], tmp_path: Path
) -> None:
    result = export.benchmark(
        {"a model; $(touch pwned)": MODELS["pruned"]},
        f"android:{phone.serial}",
        benchmark_model=tool,
        rounds=1,
        seconds=0.05,
    )
    (tmp_path / "a model; $(touch pwned).tflite").write_bytes(MODELS["pruned"])
    printed = ""
    for line in result.commands:
        words = shlex.split(line)
        assert words[:3] == ["adb", "-s", phone.serial]
        printed += subprocess.run(
            ["sh", "-c", f'adb() {{ "$ADB" "$@"; }}; {line}'],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert "Inference timings in us" in printed
    assert not list(tmp_path.rglob("pwned"))


def test_the_table_names_everything(phone: Device, canned: Path) -> None:
    result = export.benchmark(
        MODELS, "android", benchmark_model=canned, rounds=2, delegate="none"
    )
    text = result.table()
    for part in (
        "chip 41.0 to 41.0 degrees C, battery 28.5 to 28.5 degrees C",
        "Acme Fake Phone, Acme X1, Android 14 (SDK 34), arm64-v8a, 4 cores",
        "governor schedutil",
        "benchmark_model (Interpreter) sha256",
        "delegate=none, all cores, 1 thread",
        "10,453.0",
        "10,267.0",
        "1.000 (1.000..1.000)",
    ):
        assert part in text, text
    # The saved output tells no peak memory: nothing is invented.
    assert "peak MB" not in text and result["dense"].peak_mb is None
    assert result["dense"].runs == 2 * 96 and result["dense"].init_mb == 2.12891


def test_words_that_reach_the_tool(
    phone: Device, tmp_path: Path, left_behind: LeftBehind
) -> None:
    log = tmp_path / "log"
    tool = canned_tool(tmp_path / "tool", f'echo "$*" >> {log}')
    program(
        phone.root / "system/bin/taskset", f'echo "cores $1" >> {log}; shift; exec "$@"'
    )
    export.benchmark(
        MODELS,
        "android",
        benchmark_model=tool,
        cores="3",
        threads=2,
        rounds=4,
        seconds=2,
        delegate="gpu",
    )
    lines = log.read_text().splitlines()
    assert set(lines[::2]) == {"cores 3"}
    runs = [line for line in lines if line.startswith("--graph")]
    # One to see which tool it is, four rounds of two models, two for the memory.
    order = [line.split()[0].removeprefix("--graph=model_")[0] for line in runs]
    assert "".join(order) == "0" + "01" + "10" + "10" + "01" + "01"
    assert all("--use_gpu=true" in line.split() for line in runs[1:])
    assert all("--min_secs=0.5" in line.split() for line in runs[1:9])
    assert "--report_peak_memory_footprint=true" in runs[9].split()
    assert "--report_peak_memory_footprint=true" not in " ".join(runs[:9])


def test_a_phone_before_android_7(
    make_phone: Make, canned: Path, left_behind: LeftBehind
) -> None:
    phone = make_phone(features="cmd,stat_v2")
    result = export.benchmark(MODELS, "android", benchmark_model=canned, rounds=1)
    assert result["dense"].median_us == 10453.0 and left_behind(phone) == []


def test_throttling_is_told(phone: Device, tmp_path: Path) -> None:
    limit = phone.root / "sys/devices/system/cpu/cpu2/cpufreq/scaling_max_freq"
    zone = phone.root / "sys/class/thermal/thermal_zone0/temp"
    tool = canned_tool(tmp_path / "t", f"echo 1000000 > {limit}; echo 60000 > {zone}")
    result = export.benchmark(MODELS, "android", benchmark_model=tool, rounds=1)
    assert "cores 2 were held below their highest frequency" in result.remarks
    assert "the chip went from 41 to 60 degrees C" in result.remarks
    assert "note: cores 2 were held" in result.table()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"cores": "f0"}, "cores among the 4"),
        ({"cores": "10"}, "cores among the 4"),
        ({"cores": "x"}, "mask in hexadecimal"),
        ({"cores": "0"}, "mask in hexadecimal"),
        ({"cores": 1.5}, "mask in hexadecimal"),
        ({"cores": True}, "mask in hexadecimal"),
        ({"cores": "big", "threads": 3}, "at most as many threads as cores, 2"),
        ({"delegate": "npu"}, "delegate as one of cpu, gpu, none"),
        ({"timeout": 0}, "timeout in seconds"),
    ],
)
def test_what_no_phone_can_do(
    phone: Device, canned: Path, arguments: dict, sentence: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        export.benchmark(MODELS, "android", benchmark_model=canned, **arguments)


def test_from_a_shell(
    phone: Device,
    canned: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    left_behind: LeftBehind,
) -> None:
    folder = tmp_path / "with space; touch pwned; $(touch pwned)"
    folder.mkdir()
    files = [folder / "dense.tflite", folder / "it's `touch pwned`.tflite"]
    for file, content in zip(files, MODELS.values(), strict=True):
        file.write_bytes(content)
    output = tmp_path / "android.json"
    words = [*map(str, files), "--device", "android", "--rounds", "2", "--cores", "big"]
    words += ["--benchmark-model", str(canned), "-o", str(output)]
    assert main(["benchmark", *words]) == 0
    assert "it's `touch pwned`" in capsys.readouterr().out
    saved = json.loads(output.read_text())
    assert saved["facts"]["soc"] == "Acme X1" and saved["tool"]["cores"] == "c"
    assert left_behind(phone) == [] and not list(tmp_path.rglob("pwned"))
    assert main(["benchmark", *words]) == 1
    assert "which exists. Choose another name" in capsys.readouterr().err
    assert json.loads(output.read_text()) == saved
    assert main(["benchmark", *words, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["sdk"] == 34
