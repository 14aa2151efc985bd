"""docs/put_it_on_a_phone.md, command by command, without a phone."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
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


def fetch(folder: Path, tool: Path) -> str:
    """A curl that knows one address."""
    address = binary._NIGHTLY.format("android_aarch64")
    return f'[ "$4" = {address} ] && cp {tool} "$3"'


@pytest.mark.slow
@pytest.mark.parametrize("adb_server", ["36"], indirect=True)
def test_every_command(
    phone: Device,
    adb: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("tensorflow")
    work, programs, board = tmp_path / "work", tmp_path / "bin", tmp_path / "board"
    for folder in (work, programs, board):
        folder.mkdir()
    stand_in(board, monkeypatch)
    tool = real_tool(tmp_path / "tool")
    program(programs / "adb", 'exec "$ADB" "$@"')
    program(programs / "curl", fetch(tmp_path, tool))
    program(programs / "python", f'exec {sys.executable} "$@"')
    program(
        programs / "keras-diffmask", f'exec {sys.executable} -m keras_diffmask "$@"'
    )
    program(phone.root / "system/bin/cmd", f'echo "$*" >> {tmp_path}/modes')
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "tensorflow",
    }
    home = Path(os.environ["HOME"])
    cache = home / ".cache/keras_diffmask/benchmark_model"
    program_of_the_board = cache / "linux-x86_64"
    program_of_the_board.mkdir(parents=True)
    shutil.copy2(tool, program_of_the_board / "benchmark_model")
    ran = []
    for mark, name, language, text in BLOCK.findall(PAGE.read_text()):
        if mark == "by hand":
            continue
        if mark == "file":
            (work / name).write_text(text)
            continue
        words = ["sh", "-e", "-c"] if language == "sh" else [sys.executable, "-c"]
        done = subprocess.run(
            [*words, text], cwd=work, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        ran.append(done.stdout)
    assert len(ran) == 7
    assert re.search(rf"{re.escape(phone.serial)}\s+device", ran[2])
    assert "Acme Fake Phone" in ran[3] and "XNNPACK ran the whole model" in ran[3]
    assert "cores c" in ran[4] and "its operations; sum" in ran[4]
    assert "rm -rf /data/local/tmp/keras_diffmask-" in ran[5]
    assert (tmp_path / "modes").read_text().split() == [
        *("power set-fixed-performance-mode-enabled true".split()),
        *("power set-fixed-performance-mode-enabled false".split()),
    ]
    for name, rounds in (("phone", 5), ("big", 10), ("pi", 5)):
        saved = json.loads((work / f"{name}.json").read_text())
        assert [len(model["round_us"]) for model in saved["models"]] == [rounds] * 2
    assert os.listdir(phone.root / "data/local/tmp") == []
    assert os.listdir(board / "temporary") == []
