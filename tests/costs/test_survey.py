"""What the survey found when it last ran, and that the formulas are still those."""

import json

import keras
import pytest

from keras_diffmask.costs import Gating, device_cost
from keras_diffmask.graph import trace
from tests.costs.drawn import KINDS, draw
from tests.costs.survey import RESULTS, error

FOUND = json.loads(RESULTS.read_text(encoding="utf-8"))


def test_errors_of_the_survey() -> None:
    rows = FOUND["models"]
    assert len(rows) == len(KINDS) == 10
    assert max(abs(error(row, "flash")) for row in rows) < 0.03
    assert max(abs(error(row, "ram")) for row in rows) < 0.10


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other weights")
@pytest.mark.parametrize("index", [2, 7])
def test_formulas_are_those_of_the_survey(index: int) -> None:
    _, _, slim = draw(index, FOUND["seed"])
    gating = Gating.without_gates(trace(slim))
    for name in ("flash", "ram"):
        foretold = FOUND["models"][index][name]["uncalibrated"]
        assert round(device_cost(name, gating).count([])) == foretold
