"""Pictures of a search, its front and of tails show the numbers they are given."""

from typing import Any

import pytest

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.plots import (
    front,
    front_figure,
    search,
    search_figure,
    tail,
    tail_figure,
)

HISTORY = {
    "loss": [3.0, 2.0, 1.0, 0.5],
    "macs": [0.8, 0.4, 0.298, 0.298],
    "macs_target": [0.65, 0.3, 0.3, 0.3],
    "ram": [0.9, 0.8, 0.7, 0.7],
    "ram_target": [0.9, 0.8, 0.75, 0.75],
    "budget_met": [1.0, 0.0, 1.0, 1.0],
}


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of each figure that is saved."""
    pytest.importorskip("matplotlib")
    drawn: list[Any] = []
    for module in (front, search, tail):
        original = module.save

        def save(figure: Any, path: Any, original: Any = original) -> Any:
            drawn.extend(figure.axes)
            return original(figure, path)

        monkeypatch.setattr(module, "save", save)
    return drawn


@pytest.mark.parametrize(("steps", "ends"), [(None, [1, 2, 3, 4]), (10, [10, 40])])
def test_search_shows_cost_and_target(axes: Any, tmp_path, steps, ends) -> None:
    path = search_figure(HISTORY, tmp_path / "search.png", steps_per_epoch=steps)
    assert path.read_bytes().startswith(b"\x89PNG")
    lines = {line.get_label(): line for line in axes[0].lines}
    assert set(lines) == {
        "macs, target", "macs, expected, then decided",
        "ram, target", "ram, expected, then decided",
    }  # fmt: skip
    macs = lines["macs, expected, then decided"]
    assert list(macs.get_ydata()) == pytest.approx([80, 40, 29.8, 29.8])
    assert [macs.get_xdata()[0], macs.get_xdata()[-1]] == [ends[0], ends[-1]]
    (shade,) = axes[0].patches
    left = shade.get_x() if hasattr(shade, "get_x") else shade.get_xy()[0][0]
    assert left == macs.get_xdata()[2], "from where it stays met"


def test_search_without_a_decision_has_no_shade(axes: Any, tmp_path) -> None:
    search_figure({**HISTORY, "budget_met": [1.0, 0.0, 0.0, 0.0]}, tmp_path / "s.png")
    assert not axes[0].patches


def test_front_shows_every_point(axes: Any, tmp_path) -> None:
    points = {"ours": [(0.5, 0.9), (0.3, 0.88)], "narrowed": [(0.5, 0.87)]}
    path = front_figure(points, tmp_path / "front.png", "Two", "macs", "accuracy")
    assert path.read_bytes().startswith(b"\x89PNG")
    ours, narrowed = axes[0].lines
    assert list(ours.get_xdata()) == [30, 50]
    assert list(ours.get_ydata()) == pytest.approx([88, 90])
    assert list(narrowed.get_ydata()) == pytest.approx([87])
    assert axes[0].get_ylabel() == "accuracy, %"
    front_figure({"": [(0.5, 0.9)]}, tmp_path / "one.png", "One", "macs", "loss")
    assert list(axes[1].lines[0].get_ydata()) == [0.9], "a loss is no share"


def test_tail_shows_what_is_at_least_as_large(axes: Any, tmp_path) -> None:
    counts = {"step": [90, 10], "sequence": [80, 12, 0, 8], "none": [5]}
    path = tail_figure(counts, tmp_path / "tail.png", "Sizes", "at least")
    assert path.read_bytes().startswith(b"\x89PNG")
    step, sequence, none = axes[0].lines
    assert list(step.get_ydata()) == pytest.approx([10])
    assert list(sequence.get_xdata()) == [1, 2, 3]
    assert list(sequence.get_ydata()) == pytest.approx([20, 8, 8])
    assert not len(none.get_xdata())


def test_figures_of_nothing_are_refused(tmp_path) -> None:
    with pytest.raises(InvalidArgumentError, match="at least one point"):
        front_figure({"": []}, tmp_path / "front.png", "None")
    with pytest.raises(InvalidArgumentError, match="at least one number per curve"):
        tail_figure({"step": [1], "sequence": []}, tmp_path / "tail.png", "None", "")
    with pytest.raises(InvalidArgumentError, match="a cost and its target; .*loss"):
        search_figure({"loss": [1.0]}, tmp_path / "search.png")
