"""Files and arenas that a device has no room for, each in one sentence."""

from dataclasses import replace

import pytest

from keras_diffmask import targets
from keras_diffmask.errors import ConversionError, MissingDependencyError
from keras_diffmask.export.emit import memory
from keras_diffmask.export.emit.memory import check_memory

BOARD = replace(targets.CORTEX_M, name="board", flash=1000, ram=500)


@pytest.fixture
def arena(monkeypatch):
    """Sets what TFLM's interpreter is made to answer."""

    def answer(size):
        monkeypatch.setattr(memory, "tflm_arena_bytes", lambda content: size)

    answer(400)
    return answer


def test_what_fits_passes(arena):
    check_memory(b"x" * 1000, BOARD)


def test_a_file_larger_than_the_flash(arena):
    sentence = r"at most 1,000 bytes, the flash of target 'board'; .* 1,001 bytes\. .*"
    with pytest.raises(ConversionError, match=sentence + r"flash=1000"):
        check_memory(b"x" * 1001, BOARD)


def test_an_arena_larger_than_the_ram(arena):
    arena(501)
    with pytest.raises(ConversionError, match="500 bytes, the RAM .* received 501"):
        check_memory(b"x", BOARD)


@pytest.mark.parametrize(
    "target",
    [
        targets.CORTEX_M,
        replace(BOARD, accelerator="ethos-u55-128"),  # Vela writes another file
        replace(BOARD, flash=None, runtime="litert"),  # LiteRT has no such arena
    ],
)
def test_what_is_not_limited_is_not_measured(target, monkeypatch):
    monkeypatch.setattr(memory, "tflm_arena_bytes", None)
    check_memory(b"x" * 5000, target)


def test_without_tflite_micro_a_warning(monkeypatch):
    def missing(content):
        raise MissingDependencyError("tflite-micro", "none", "Install it.")

    monkeypatch.setattr(memory, "tflm_arena_bytes", missing)
    with pytest.warns(UserWarning, match="not compared with the 500 bytes of RAM"):
        check_memory(b"x", BOARD)
