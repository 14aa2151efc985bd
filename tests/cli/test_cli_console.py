"""Progress, lines and JSON: who hears what."""

import io
import json
import os
import subprocess
import sys

import pytest

from keras_diffmask.export.cli import console as module
from keras_diffmask.export.cli.console import Console


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_short_phases_say_nothing_to_a_log(capsys):
    with Console().phase("reading") as advance:
        advance("done")
    assert capsys.readouterr().err == ""


def test_epochs_end_with_a_line(capsys):
    with Console().phase("training", 3) as advance:
        for number in range(3):
            advance(f"accuracy {number}")
    assert capsys.readouterr().err == "training: 3 of 3, accuracy 2\n"


def test_long_phases_say_so(capsys, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    monkeypatch.setattr(module, "BETWEEN_REMARKS", 0.0)
    with Console().phase("training", 2) as advance:
        advance("one")
        advance("two")
    lines = [
        line for line in capsys.readouterr().err.splitlines() if line != "training ..."
    ]
    assert lines == ["training: 1 of 2, one", "training: 2 of 2, two"]


def test_a_phase_that_fails_leaves_no_timer(capsys):
    with pytest.raises(ValueError, match="broken"):
        with Console().phase("reading"):
            raise ValueError("broken")
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch):
    pytest.importorskip("rich")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Console().phase("training", 2) as advance:
        advance("accuracy 99 %")
        advance("accuracy 100 %")
    assert "training" in stream.getvalue() and "2/2" in stream.getvalue()


def test_lines_where_rich_is_missing(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "rich", None)
    with Console().phase("training", 2) as advance:
        advance("one")
        advance("two")
    assert stream.getvalue() == "training: 2 of 2, two\n"


def test_errors_are_one_line(capsys):
    Console().error("first\n  second\n")
    assert capsys.readouterr().err == "keras-diffmask: first second\n"


@pytest.mark.parametrize(("as_json", "expected"), [(True, {"a": 1}), (False, "text")])
def test_results_come_out_at_the_end(capsys, as_json, expected):
    console = Console(json=as_json)
    console.result({"a": 1}, lambda: "text")
    assert capsys.readouterr().out == ""
    console.flush()
    out = capsys.readouterr().out
    assert (json.loads(out) if as_json else out.strip()) == expected


ALONE = """
import os, sys
from keras_diffmask.export.cli.console import Console
console = Console()
with console.alone():
    os.write(2, b"a native library\\n")
    print("a module")
    console.say("the console")
os.write(2, b"afterwards\\n")
"""


def test_native_libraries_are_not_heard():
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "a native library" not in done.stderr
    assert done.stderr.splitlines()[-2:] == ["the console", "afterwards"]
