"""A table from real timings of small models, and how well it foretells."""

import dataclasses

import keras
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.costs import Latency
from keras_diffmask.errors import BudgetError, InvalidArgumentError
from keras_diffmask.export.latency import accuracy, measure
from keras_diffmask.export.latency.accuracy_result import AccuracyResult, Foretold
from keras_diffmask.export.machine import machine
from keras_diffmask.graph import trace
from tests.costs.latency_tables import gating_of
from tests.export.latency.conftest import build_kinds, build_small


@pytest.fixture
def in_process(here, monkeypatch):
    for module in (measure, accuracy):
        monkeypatch.setattr(module, "converted", here)


def test_a_table_of_a_small_model(in_process, tmp_path):
    model = build_small()
    told = []
    table = export.measure_latency(
        model, rounds=2, progress=lambda *parts: told.append(parts)
    )
    assert [row.kind for row in table.rows] == [
        "CONV_2D", "CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED",
    ]  # fmt: skip
    assert told == [(k + 1, 5) for k in range(5)]
    first, second, added, *_ = table.rows
    # The input of the model stays; what is added keeps its channels together.
    assert (first.inputs, first.outputs) == ((3,), (1, 8, 9, 16, 17, 20))
    assert second.inputs == second.outputs == (1, 8, 9, 16, 17, 20)
    assert added.inputs == (20,) and len(added.outputs) == 6
    assert all(ns >= 0 for row in table.rows for along in row.ns for ns in along)
    assert table.dense_ns > 0 and table.fixed == () and table.device == "host"
    assert table.engine.startswith("LiteRT 2") and table.machine
    cost = Latency.of(gating_of(trace(model)), table)
    # To a nanosecond per operator; the call is not below 0.
    assert cost.dense(cost.sizes) >= table.dense_ns - 5
    assert type(table).load(table.save(tmp_path / "t.json")) == table
    # Another of the same shape may use it, one of another width may not.
    budget = kd.Budget(latency=0.9, latency_table=table)
    assert kd.mask_model(build_small(), budget=budget)
    with pytest.raises(BudgetError, match=r"'small', of 5 or more, or of other sizes"):
        kd.mask_model(build_small(21), budget=budget)


def test_what_is_not_known_is_fixed(in_process):
    """A convolution in groups; the table says which, and `mask_model` too."""
    table = export.measure_latency(build_kinds(), rounds=1)
    assert [table.rows[place].kind for place in table.fixed] == ["CONV_2D"]
    with pytest.warns(UserWarning, match=r"latency does not know .* \(Conv2D\), and"):
        kd.mask_model(build_kinds(), budget=kd.Budget(latency=0.9, latency_table=table))


def test_accuracy_of_a_small_model(in_process):
    told = []
    model = build_small()
    result = accuracy.latency_accuracy(model, 3, rounds=2, progress=told.append)
    assert told == ["latency table", "model 1", "model 2", "model 3", "timing"]
    assert all(0.25 <= m.macs / result.dense_macs <= 0.5 for m in result.models)
    assert all(m.predicted_us > 0 and m.measured_us > 0 for m in result.models)
    assert "median error" in result.table()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"quantization": "int4"},
            "quantization as one of int8, float32; received quan",
        ),
        (
            {"device": "phone"},
            'device as "host", "android", .* received device=.phone',
        ),
        ({"device": "arm64-emulated"}, "whose instructions are no milliseconds"),
        ({"rounds": 0}, "rounds as a whole number of at least 1; received rounds=0"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        export.measure_latency(build_small(), **arguments)


def test_open_shapes_and_too_few_models():
    model = keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(3)])
    with pytest.raises(InvalidArgumentError, match="inputs have fixed shapes"):
        export.measure_latency(model)
    with pytest.raises(InvalidArgumentError, match="at least 3 models and 1 round"):
        accuracy.latency_accuracy(build_small(), 2)


def _result(predicted):
    models = tuple(
        Foretold(macs, guess, measured, 0.01)
        for macs, guess, measured in zip(
            (5e6, 4e6, 4e6, 3e6), predicted, (10.0, 20.0, 30.0, 40.0), strict=True
        )
    )
    return AccuracyResult(
        "net", "int8", 50.0, 51.0, 1e7, models, 20, machine(), "2026-01-01"
    )


def test_the_table_says_what_is_over_its_limit():
    good, bad = _result((11.0, 21.0, 30.0, 44.0)), _result((12.0, 26.0, 20.0, 10.0))
    assert good.median_error == pytest.approx(0.075)
    assert good.rank_correlation == 1.0
    # Ranks of MACs: 4, 2.5, 2.5, 1 against 1, 2, 3, 4.
    assert good.rank_correlation_of_macs == pytest.approx(-0.9486832980505138)
    assert "median error 7.5%, within the limit of 15%" in good.table()
    assert "predicted 1.000, above that of MACs, -0.949" in good.table()
    assert bad.rank_correlation == pytest.approx(-0.4)
    assert "OVER the limit of 15%" in bad.table()
    equal = dataclasses.replace(
        good,
        models=tuple(dataclasses.replace(m, macs=m.predicted_us) for m in good.models),
    )
    assert "NOT ABOVE that of MACs" in equal.table()
    assert good.facts()["median_error"] == good.median_error
