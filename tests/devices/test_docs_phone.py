"""docs/put_it_on_a_phone.md, command by command, without a phone."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_diffmask.export.benchmark_model import binary
from tests.devices.fake_adbd import Device
from tests.devices.phone import program, real_tool
from tests.devices.sshd import stand_in

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/put_it_on_a_phone.md"
BLOCK = re.compile(
    r"(?:<!-- (by hand|file)(?:: (.*?))? -->\n)?```(\w+)\n(.*?)```", re.DOTALL
)


def test_the_page_and_the_error_name_the_same_addresses() -> None:
    page = PAGE.read_text()
    for abi, name in binary._PUBLISHED.items():
        assert f"| `{abi}` | `{name}_benchmark_model` |" in page
    assert binary._NIGHTLY.format("android_aarch64") in page


@pytest.fixture
def desk(
    phone: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What the page's reader has on PATH, the network and a board left out."""
    board, programs = tmp_path / "board", tmp_path / "bin"
    board.mkdir()
    programs.mkdir()
    stand_in(board, monkeypatch)
    tool = real_tool(tmp_path / "tool", longest=0.02)
    address = binary._NIGHTLY.format("android_aarch64")
    python = sys.executable
    program(programs / "adb", 'exec "$ADB" "$@"')
    program(programs / "curl", f'[ "$4" = {address} ] && cp {tool} "$3"')
    program(programs / "python", f'exec {python} "$@"')
    program(programs / "keras-diffmask", f'exec {python} -m keras_diffmask "$@"')
    program(phone.root / "system/bin/cmd", f'echo "$*" >> {tmp_path}/modes')
    cache = Path(os.environ["HOME"]) / ".cache/keras_diffmask/benchmark_model"
    (cache / f"linux-{platform.machine()}").mkdir(parents=True)
    shutil.copy2(tool, cache / f"linux-{platform.machine()}/benchmark_model")
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "tensorflow",
    }


def run_page(work: Path, environment: dict[str, str]) -> list[str]:
    """What each block printed; a block that is a file is written."""
    printed = []
    for mark, name, language, text in BLOCK.findall(PAGE.read_text()):
        if mark == "file":
            (work / name).write_text(text)
        elif mark != "by hand":
            words = ["sh", "-e", "-c"] if language == "sh" else [sys.executable, "-c"]
            done = subprocess.run(
                [*words, text],
                cwd=work,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            printed.append(done.stdout)
    return printed


@pytest.mark.slow
@pytest.mark.parametrize("adb_server", ["36"], indirect=True)
def test_every_command(phone: Device, desk: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    work = tmp_path / "work"
    work.mkdir()
    host, _, devices, plain, big, python, _ = run_page(work, desk)
    assert "time / dense" in host
    assert re.search(rf"{re.escape(phone.serial)}\s+device", devices)
    assert "Acme Fake Phone" in plain and "XNNPACK ran the whole model" in plain
    assert "cores c" in big and "its operations; sum" in big
    assert "rm -rf /data/local/tmp/keras_diffmask-" in python
    switched = (tmp_path / "modes").read_text().splitlines()
    mode = "power set-fixed-performance-mode-enabled"
    assert switched == [f"{mode} true", f"{mode} false"]
    for name, rounds in (("phone", 5), ("big", 10), ("pi", 5)):
        saved = json.loads((work / f"{name}.json").read_text())
        assert [len(model["round_us"]) for model in saved["models"]] == [rounds] * 2
    assert os.listdir(phone.root / "data/local/tmp") == []
    assert os.listdir(tmp_path / "board/temporary") == []
