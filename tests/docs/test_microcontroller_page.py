"""`docs/put_it_on_a_microcontroller.md`: its commands run, in order, as they stand.

In one process, so that TensorFlow is loaded once; the scripts train less.
"""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_diffmask.export import cli, tflm
from tests.export.firmware import conftest as tflm_headers

PAGE = Path(__file__).parents[2] / "docs" / "put_it_on_a_microcontroller.md"
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[\w -]+): (?P<word>[^>]+) -->\n)?"
    r"```(?P<kind>\w+)\n(?P<text>.*?)```",
    re.S,
)
MARKS = {None, "file", "by hand", "stand-in"}


def blocks() -> list[dict[str, str | None]]:
    return [found.groupdict() for found in BLOCK.finditer(PAGE.read_text("utf-8"))]


def test_every_block_is_run_or_says_why_not():
    found = blocks()
    assert {block["mark"] for block in found} == MARKS
    for block in found:
        assert block["kind"] == ("python" if block["mark"] == "file" else "sh")
    by_hand = [b["text"] for b in found if b["mark"] == "by hand"]
    # What installs, and what needs TFLM's library; nothing else is left out.
    assert len(by_hand) == 2
    assert "pip install" in by_hand[0] and "make -C firmware check" in by_hand[1]


@pytest.fixture
def headers(tmp_path_factory) -> Path:
    """What stands in for TFLM's sources when compiling."""
    folder = tmp_path_factory.mktemp("tflm")
    lite = folder / "tensorflow" / "lite"
    for name, text in {
        "c/common.h": tflm_headers.COMMON,
        "schema/schema_generated.h": tflm_headers.SCHEMA,
        "micro/micro_interpreter.h": tflm_headers.INTERPRETER,
        "micro/micro_mutable_op_resolver.h": tflm_headers.resolver_header(),
        "micro/micro_log.h": tflm_headers.LOG,
        "micro/system_setup.h": tflm_headers.SETUP,
    }.items():
        (lite / name).parent.mkdir(parents=True, exist_ok=True)
        (lite / name).write_text(text)
    (folder / "answers.h").write_text(tflm_headers.NO_ANSWERS)
    return folder


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of a shell, in this process where it is Python's."""
    command, _, output = line.partition(" > ")
    words = shlex.split(command)
    before = sys.stdout
    with open(output or os.devnull, "w", encoding="utf-8") as file:
        if output:
            sys.stdout = file
        try:
            if words[0] == "keras-diffmask":
                assert cli.main(words[1:]) == 0, line
            elif words[0] == "python":
                monkeypatch.setattr(sys, "argv", words[1:])
                runpy.run_path(words[1], run_name="__main__")
            else:
                subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        finally:
            sys.stdout = before


@pytest.mark.slow
def test_its_commands_lead_to_a_board(tmp_path, monkeypatch, headers, capsys):
    if not tflm.has_tflm():
        pytest.skip("tflite-micro is not installed")
    pytest.importorskip("ethosu.vela", reason="Vela is not installed")
    monkeypatch.chdir(tmp_path)
    said = {}
    for block in blocks():
        mark, text = block["mark"], block["text"]
        if mark == "file":
            Path(block["word"]).write_text(text, "utf-8")
        if block["kind"] != "sh" or mark == "by hand":
            continue
        if mark == "stand-in" and not (shutil.which("make") and shutil.which("g++")):
            continue
        for line in text.splitlines():
            here = line.replace("train.py 20", "train.py 2")
            here = here.replace("PATH/TO/tflite-micro", shlex.quote(str(headers)))
            run(here, monkeypatch)
            said[line] = capsys.readouterr().out
    from keras_diffmask.export.artifact import Artifact

    slim = Artifact.load("slim.tflite")
    assert slim.nbytes <= 20 * 1024 < Path("dense.tflite").stat().st_size
    settings = Path("firmware/model_settings.h").read_text("utf-8")
    arena = int(re.search(r"kArenaBytes = (\d+)", settings)[1])
    assert 8 * 1024 < arena <= 16 * 1024
    (verified,) = [out for line, out in said.items() if " verify " in line]
    assert "tflm" in verified
    (estimate,) = [out for line, out in said.items() if " vela " in line]
    assert "estimate by Vela" in estimate
    page = Path("report.html").read_text("utf-8")
    assert 'id="kept"' in page and f"{slim.nbytes:,} bytes" in page
    if shutil.which("make") and shutil.which("g++"):
        assert Path("firmware/main.o").is_file()


def test_the_readme_leads_there():
    readme = (PAGE.parents[1] / "README.md").read_text("utf-8")
    assert "docs/put_it_on_a_microcontroller.md" in readme
