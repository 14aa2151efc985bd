"""What the survey found when it last ran, and that the formulas are still those."""

import json

import keras
import pytest

from keras_diffmask.costs import Gating, device_cost
from keras_diffmask.graph import trace
from tests.costs.drawn import draw
from tests.costs.survey import PARTS, RESULTS, error

FOUND = json.loads(RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("part", "count"), [("models", 10), ("sequences", 6)])
def test_errors_of_the_survey(part: str, count: int) -> None:
    rows = FOUND[part]
    assert len(rows) == len(PARTS[part]) == count
    assert max(abs(error(row, "flash")) for row in rows) < 0.03
    assert max(abs(error(row, "ram")) for row in rows) < 0.10


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other weights")
@pytest.mark.parametrize(
    ("part", "index"),
    [("models", 2), ("models", 7), ("sequences", 0), ("sequences", 3)],
)
def test_formulas_are_those_of_the_survey(part: str, index: int) -> None:
    row = FOUND[part][index]
    _, _, slim = draw(index, row.get("seed", FOUND["seed"]), PARTS[part])
    gating = Gating.without_gates(trace(slim))
    for name in ("flash", "ram"):
        foretold = row[name]["uncalibrated"]
        assert round(device_cost(name, gating).count([])) == foretold
