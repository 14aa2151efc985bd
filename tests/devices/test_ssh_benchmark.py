"""`benchmark(device="ssh:...")`: real ssh and scp, and a stand-in everywhere else."""

import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keras_diffmask import export
from keras_diffmask.errors import (
    DeviceError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export.devices import open_shell
from keras_diffmask.export.devices.linux import linux_facts
from tests.devices.models import additions
from tests.devices.phone import canned_tool, program, real_tool
from tests.devices.sshd import Board, stand_in, start_sshd

MODELS = {"dense; touch pwned": additions(40, 20000), "pruned": additions(10, 20000)}


@pytest.fixture(params=[stand_in, start_sshd], ids=lambda make: make.__name__)
def board(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Board]:
    make: Callable[..., Board] = request.param
    (tmp_path / "board").mkdir()
    board = make(tmp_path / "board", monkeypatch)
    yield board
    board.unplug()


def left_behind(board: Board) -> list[str]:
    return [path.name for path in board.temporary.iterdir()]


def test_a_real_run(board: Board, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    tool = real_tool(tmp_path / "tool")
    result = export.benchmark(
        MODELS, board.address, benchmark_model=tool, rounds=2, seconds=0.1, cores="1"
    )
    assert result.device == board.address
    assert result.facts.abis == (f"linux-{platform.machine()}",)
    assert result.ratio("pruned", "dense; touch pwned").median < 0.7
    assert result["pruned"].delegate == "XNNPACK"
    assert left_behind(board) == []
    assert result.commands[1].startswith(("scp -P ", "scp "))
    assert "'dense; touch pwned.tflite'" in result.commands[3]


def test_exit_status_and_both_outputs(board: Board, tmp_path: Path) -> None:
    shell = open_shell(board.address)
    answer = shell.run("echo out; echo err >&2; exit 7", 20)
    assert (answer.status, answer.out, answer.err) == (7, "out\n", "err\n")
    large = shell.run("head -c 2000000 /dev/zero | tr '\\0' x", 60)
    assert large.out == "x" * 2_000_000
    folder = shell.make_folder()
    local = tmp_path / "with spaces $(touch pwned)"
    local.write_bytes(b"abc")
    shell.push(local, f"{folder}/x", 20)
    assert shell.pull(f"{folder}/x", tmp_path / "back", 20)
    assert (tmp_path / "back").read_bytes() == b"abc"
    assert not shell.pull(f"{folder}/nowhere", tmp_path / "no", 20)
    assert linux_facts(shell).system


def test_a_board_that_goes_away(board: Board, tmp_path: Path) -> None:
    tool = canned_tool(tmp_path / "tool")

    def away(done: int, total: int) -> None:
        board.unplug()
        (tmp_path / "board/down").touch()

    with pytest.raises(
        DeviceError, match="a board that answers ssh.*still be on it"
    ) as raised:
        export.benchmark(
            MODELS, board.address, benchmark_model=tool, rounds=3, progress=away
        )
    assert len(raised.value.partial["pruned"].round_us) == 1


def test_a_hang_and_a_crash(board: Board, tmp_path: Path) -> None:
    for hang, sentence in (
        ("sleep 600", "within 2 seconds"),
        ("kill -ILL $$", "SIGILL"),
    ):
        tool = canned_tool(
            tmp_path / "tool",
            f'case "$*" in *model_1*) exec {hang};; esac'
            if "sleep" in hang
            else f'case "$*" in *model_1*) {hang};; esac',
        )
        with pytest.raises(DeviceError, match=sentence):
            export.benchmark(
                MODELS, board.address, benchmark_model=tool, rounds=1, timeout=2
            )
        assert left_behind(board) == []


def test_no_board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ssh", "scp"):
        program(tmp_path / name, "echo 'Permission denied (publickey).' >&2; exit 255")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(DeviceError, match="Permission denied.*without a password"):
        export.benchmark(MODELS, "ssh:pi@board", benchmark_model="x")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(MissingDependencyError, match="ssh on PATH"):
        export.benchmark(MODELS, "ssh:pi@board", benchmark_model="x")


@pytest.mark.parametrize(
    "address",
    [
        "-oProxyCommand=x",
        "a@-b",
        "a b",
        "a;b",
        "a@b:x",
        "a@b:1:2",
        "$(x)",
        "a@b/c",
        "@",
    ],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(InvalidArgumentError, match="ssh:user@host"):
        open_shell(f"ssh:{address}")


@pytest.mark.parametrize("device", ["phone", "android:", "ssh:", "ssh", "", "Android"])
def test_devices_that_are_none(device: str) -> None:
    with pytest.raises(InvalidArgumentError, match='"android:SERIAL" or "ssh:'):
        open_shell(device)
