"""The README's Python blocks run, in order, as one script, and print what it says."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

_README = Path(__file__).parents[2] / "README.md"


def _blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", _README.read_text(), re.DOTALL)


def _shape(text: str) -> list[str]:
    """The lines without what a number's digits are, and how wide columns are."""
    return [
        " ".join(re.sub(r"[\d.,]*\d(e-\d+)?", "#", x).split())
        for x in text.splitlines()
    ]


@pytest.mark.slow
def test_readme_script_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    keras.utils.clear_session()  # names of layers are counted from here
    for number, block in enumerate(_blocks()):
        exec(compile(block, f"README block {number}", "exec"), names)
    printed = capsys.readouterr().out
    (said,) = re.findall(
        r"<!-- prints -->\n```text\n(.*?)```", _README.read_text(), re.S
    )
    assert "\n".join(_shape(said)) in "\n".join(_shape(printed))
    budget = re.search(r"macs: decided ([\d.]+)%", printed)
    assert budget and float(budget[1]) <= 30.0
    assert names["slim"].count_params() < names["model"].count_params()
    assert names["slim_int8"].nbytes < names["dense_int8"].nbytes
    assert np.allclose(
        names["slim"](names["xv"]), names["masked"](names["xv"]), atol=1e-4
    )
    assert "the bytes of dense" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "slim.tflite").stat().st_size == names["slim_int8"].nbytes


def test_readme_names_every_command() -> None:
    shell = _README.read_text()
    for command in (
        "demo",
        "summary",
        "plan",
        "strip",
        "pack",
        "convert",
        "verify",
        "vela",
        "benchmark",
        "compare",
        "report",
    ):
        assert f"keras-diffmask {command}" in shell
