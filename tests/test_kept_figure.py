"""The picture of what was kept: a real PNG, and matplotlib left alone."""

import sys

import pytest

from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.plots import kept_figure

ROWS = [("conv2d", 5, 16), ("conv2d_1", 0, 32), ("dense", 64, 64)]


@pytest.fixture
def image():
    pytest.importorskip("matplotlib")
    return pytest.importorskip("PIL.Image")


def area(image, path, colour):
    """Pixels of nearly that colour."""
    import numpy as np

    pixels = np.asarray(image.open(path).convert("RGB")).astype(int)
    return int((np.abs(pixels - colour).max(axis=-1) <= 3).sum())


def test_the_bars_show_the_counts(image, tmp_path):
    kept, gone = (0x1B, 0x6C, 0xA8), (0xDF, 0xE6, 0xEC)
    path = kept_figure([("a", 1, 4), ("b", 1, 4)], tmp_path / "k.png")
    share = area(image, path, kept) / (
        area(image, path, kept) + area(image, path, gone)
    )
    assert path.stat().st_size > 5000
    assert abs(share - 0.25) < 0.02


@pytest.mark.parametrize("count", [1, 3, 40])
def test_the_picture_grows_with_the_layers(image, tmp_path, count):
    rows = [(f"layer_{i}_with_a_name_of_some_length", i, 40) for i in range(count)]
    path = kept_figure(rows, tmp_path / "k.png", unit="channels")
    width, height = image.open(path).size
    assert width == 1280 and height == pytest.approx(160 * (1.25 + 0.3 * count), abs=1)
    assert [p.name for p in tmp_path.iterdir()] == ["k.png"]


def test_matplotlib_keeps_its_state(image, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    pyplot_was_there = "matplotlib.pyplot" in sys.modules
    kept_figure(iter(ROWS), tmp_path / "k.png")
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_was_there


@pytest.mark.parametrize(
    "rows, sentence",
    [
        ([], "no rows"),
        ([("a", 5, 4)], r"\('a', 5, 4\)"),
        ([("a", -1, 4)], r"\('a', -1, 4\)"),
        ([("a", 0, 0)], r"\('a', 0, 0\)"),
    ],
)
def test_rows_that_make_no_sense(rows, sentence, tmp_path):
    with pytest.raises(InvalidArgumentError, match=sentence):
        kept_figure(rows, tmp_path / "k.png")


def test_an_unwritable_path(image, tmp_path):
    with pytest.raises(ArtifactError, match="existing directory"):
        kept_figure(ROWS, tmp_path / "missing" / "k.png")


def test_without_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="pip install matplotlib"):
        kept_figure(ROWS, tmp_path / "k.png")
