"""A rotating handful of `keras.applications`; `python -m tests.applications` runs all.

The turns have fixed names and choose their model when they run: names made of
today's date would differ between two xdist workers at midnight.
"""

from datetime import date
from typing import Any

import keras
import pytest

from tests.applications import table
from tests.applications.__main__ import CLOSED
from tests.applications.models import MODELS

ALWAYS, TURNS = "MobileNetV2", 1
LIGHT = [name for name, app in MODELS.items() if app.light and name != ALWAYS]

tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="float64 needs a switch of JAX's own",
)


def todays(turn: int, day: int) -> str:
    """The model of a turn; each light one comes round."""
    return LIGHT[(day * TURNS + turn) % len(LIGHT)]


def hold_to_law_3(name: str) -> None:
    from tests.applications.checks import Bench

    row = Bench(name).row(0.5)
    worse = table.fell(row, table.load(table.COMMITTED))
    complaints = row["failures"] + ([worse] if worse else [])
    again = f"see: python -m tests.applications {name} --closed 0.5 --again"
    assert not complaints, f"{name}: {complaints}; {again}"


@tensorflow
@pytest.mark.slow
def test_the_one_that_always_runs() -> None:
    hold_to_law_3(ALWAYS)


@tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("turn", range(TURNS))
def test_todays_turn(turn: int) -> None:
    hold_to_law_3(todays(turn, date.today().toordinal()))


def test_every_light_model_has_its_turn() -> None:
    days = range(len(LIGHT))
    assert {todays(turn, day) for day in days for turn in range(TURNS)} == set(LIGHT)


def test_the_committed_rows_are_good() -> None:
    rows = table.load(table.COMMITTED)
    assert rows and not [key for key, row in rows.items() if row["failures"]]
    assert {name for name, _ in rows} <= set(MODELS)


def test_the_committed_table_is_whole() -> None:
    wanted = {(name, closed) for name in MODELS for closed in CLOSED}
    assert set(table.load(table.COMMITTED)) == wanted


def _row(**more: Any) -> table.Row:
    row = {"model": "VGG16", "closed": 0.5, "size": 64, "macs": [1000, 300]}
    return {**row, "failures": [], **more}


def test_a_row_that_falls_is_noticed() -> None:
    committed = {("VGG16", 0.5): _row()}
    assert table.fell(_row(), committed) is None
    assert table.fell(_row(macs=[1000, 299]), committed) is None
    worse = table.fell(_row(macs=[1000, 301]), committed)
    assert worse == "loses 69.90% of its MACs, and lost 70.00% in the committed table"
    assert table.fell(_row(closed=0.3, macs=[1000, 900]), committed) is None


def test_the_table_comes_back_from_its_file(tmp_path: Any) -> None:
    path = tmp_path / "rows.json"
    assert table.load(path) == {}
    rows = {("VGG16", closed): _row(closed=closed) for closed in (0.5, 0.3)}
    table.save(path, rows, {"cpu": "any"}, list(MODELS))
    assert list(table.load(path)) == [("VGG16", 0.3), ("VGG16", 0.5)]
    assert table.load(path) == rows
