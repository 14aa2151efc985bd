"""Budgets in milliseconds: a table, its units, and what cannot be."""

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.budget.units import amount, said
from keras_diffmask.costs import Latency, LatencyTable, Measured
from keras_diffmask.errors import ArtifactError, BudgetError
from keras_diffmask.graph import trace
from keras_diffmask.masking.masked_model import controller_of
from tests.costs.latency_tables import gating_of, synthetic


def _model(width: int = 12) -> keras.Model:
    inputs = keras.Input((12, 12, 2))
    x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(inputs)
    y = keras.layers.Conv2D(18, 3, padding="same", activation="relu")(x)
    x = keras.layers.Add()([x, keras.layers.Conv2D(width, 3, padding="same")(y)])
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(keras.layers.ReLU()(x)))
    return keras.Model(inputs, keras.layers.Dense(4)(x))


def _table(model: keras.Model) -> LatencyTable:
    return synthetic(gating_of(trace(model)))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("10 ms", 1e7),
        ("1.5s", 1.5e9),
        ("250 us", 2.5e5),
        ("3\u00b5s", 3e3),
        ("3 \u03bcs", 3e3),
    ],
)
def test_units(text: str, ns: float) -> None:
    assert amount("latency", text) == ns
    budget = kd.Budget(latency=text, latency_table=_table(_model()))
    assert budget.limits({}) == {"latency": ns}


@pytest.mark.parametrize(
    ("ns", "text"), [(2.5e9, "2.5 s"), (12345.0, "12.35 us"), (40.0, "40 ns")]
)
def test_how_an_error_says_it(ns: float, text: str) -> None:
    assert said("latency", ns) == text


@pytest.mark.parametrize(
    ("latency", "sentence"),
    [
        ("10 min", "latency as a number and one of the units s, ms, us.*'10 min'"),
        ("10", 'Write latency="10 ms", or latency=0.3 for 30 %'),
        (
            5,
            r'latency as a fraction in \(0, 1\], or text such as "10 ms"; received lat',
        ),
        (-0.5, "received latency=-0.5"),
    ],
    ids=str,
)
def test_amounts_that_say_nothing(latency: Any, sentence: str) -> None:
    with pytest.raises(BudgetError, match=sentence):
        kd.Budget(latency=latency, latency_table=_table(_model()))


def test_without_a_table() -> None:
    sentence = (
        r"Expected a latency table .* latency_table=export.measure_latency\(model\)"
    )
    with pytest.raises(BudgetError, match=sentence):
        kd.Budget(latency="10 ms")
    with pytest.raises(BudgetError, match=sentence):
        Latency.of(gating_of(trace(_model())), None)
    assert kd.Budget(latency=0.5, measured=Measured(latency=_table(_model())))


def test_table_of_another_model() -> None:
    budget = kd.Budget(latency=0.5, latency_table=_table(_model(width=13)))
    sentence = (
        "table of the model that is masked, of 7 operators.* 'synthetic', of 7 or"
    )
    with pytest.raises(BudgetError, match=sentence):
        kd.mask_model(_model(), budget=budget)
    # Built again, its layers have other names: it is the same model.
    same = kd.Budget(latency=0.5, latency_table=_table(_model()))
    assert kd.mask_model(_model(), budget=same)


def test_out_of_reach() -> None:
    model = _model()
    budget = kd.Budget(latency="1 us", latency_table=_table(model))
    sentence = (
        r"latency of at least [\d.]+ us, where .* a budget of 1 us\. Raise latency="
    )
    with pytest.raises(BudgetError, match=sentence):
        kd.mask_model(model, budget=budget)


def _fitted(budget: kd.Budget, model: keras.Model) -> keras.Model:
    keras.utils.set_random_seed(2)
    masked = kd.mask_model(model, budget=budget)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    masked.compile("adam", loss)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 12, 12, 2)), rng.integers(0, 4, 64)
    masked.fit(x, y, batch_size=16, epochs=3, verbose=0)
    return masked


@pytest.mark.parametrize(
    "limits", [{"latency": 0.5}, {"latency": "30 us", "macs": 0.6}]
)
def test_fit_meets_the_budget(limits: dict[str, Any]) -> None:
    model = _model()
    table = _table(model)
    budget = kd.Budget(**limits, latency_table=table)
    masked = _fitted(budget, model)
    cost = Latency.of(gating_of(trace(model)), table)
    left = cost.of_stripped(trace(export.strip(masked)))
    assert left == cost.count([gate.keep.astype(float) for gate in kd.gates(masked)])
    dense = {"latency": cost.dense(cost.sizes), "macs": 1e9}
    most = budget.limits(dense)["latency"]
    assert most < dense["latency"]
    assert left <= most
    if "macs" not in limits:
        # No step of a kernel is as large as that.
        assert left >= 0.85 * most, "far below what it may cost"


def test_saved_with_its_table(tmp_path: Any) -> None:
    model = _model()
    budget = kd.Budget(latency=0.6, latency_table=_table(model))
    masked = kd.mask_model(model, budget=budget)
    masked.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    keeps = [np.arange(gate.units) % 3 > 0 for gate in kd.gates(masked)]
    before, after = (
        [
            (limit.cost.count([k.astype(float) for k in keeps]), limit.most)
            for limit in c.as_limits()
        ]
        for c in map(controller_of, (masked, again))
        if c is not None
    )
    assert before == after


def test_unknown_layers_are_fixed_and_said() -> None:
    class Doubled(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * 2.0

    inputs = keras.Input((6,))
    x = keras.layers.Dense(9, activation="relu")(inputs)
    x = keras.layers.Dense(8)(keras.layers.Dense(7)(x))
    model = keras.Model(inputs, Doubled(name="twice")(x))
    table = _table(model)
    fixed = dataclasses.replace(table, fixed=(1,))
    name = model.layers[2].name
    budget = kd.Budget(latency=0.8, latency_table=fixed)
    sentence = rf"pruning does to twice \(Doubled\), {name} \(Dense\), and counts the"
    with pytest.warns(UserWarning, match=sentence):
        masked = kd.mask_model(model, budget=budget)
    assert controller_of(masked) is not None


def test_table_through_a_file(tmp_path: Any) -> None:
    table = _table(_model())
    path = table.save(tmp_path / "latency.json")
    assert LatencyTable.load(path) == table
    assert [file.name for file in tmp_path.iterdir()] == ["latency.json"]
    for text in ("", "{}", '{"format": "another"}', "[1]"):
        path.write_text(text)
        with pytest.raises(ArtifactError, match="JSON document of a latency table"):
            LatencyTable.load(path)
    with pytest.raises(ArtifactError, match="No such file"):
        LatencyTable.load(tmp_path / "none.json")
    with pytest.raises(ArtifactError, match="a path that can be written"):
        table.save(tmp_path / "no" / "latency.json")
