"""The README's Python blocks run, in order, as one script."""

import re
from pathlib import Path

import pytest

_README = Path(__file__).parents[2] / "README.md"


def _blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", _README.read_text(), re.DOTALL)


@pytest.mark.slow
def test_readme_script_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for number, block in enumerate(_blocks()):
        exec(compile(block, f"README block {number}", "exec"), names)
    printed = capsys.readouterr().out
    budget = re.search(r"macs: decided ([\d.]+)%", printed)
    assert budget and float(budget[1]) <= 30.0
    assert names["slim"].count_params() < names["model"].count_params()
    assert names["slim_int8"].nbytes < names["dense_int8"].nbytes
    assert names["scores"].shape == (10, 10)
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
