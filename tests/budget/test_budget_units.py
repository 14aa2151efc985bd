"""Budgets in bytes: units, margin, and what cannot be."""

from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.budget.units import amount
from keras_diffmask.costs import Gating, Measured, device_cost
from keras_diffmask.errors import BudgetError, InvalidArgumentError
from keras_diffmask.graph import trace
from keras_diffmask.masking.budgeted import controller_of


@pytest.mark.parametrize(
    ("text", "value"),
    [("256 KiB", 262144), ("64 kB", 64000), ("1.5 MiB", 1572864), ("100B", 100)],
)
def test_units(text: str, value: float) -> None:
    assert amount("flash", text) == value
    assert kd.Budget(flash=text).limits({}) == {"flash": value}
    assert kd.Budget(flash=int(value)).limits({}) == {"flash": value}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"flash": "64 kb"}, "flash as a number and one of the units B, kB.*'64 kb'"),
        ({"flash": "64"}, "received flash='64'"),
        ({"ram": "a lot"}, 'Write ram="64 KiB", or ram=0.3 for 30 %'),
        ({"ram": "0 B"}, "received ram='0 B'"),
        ({"ram": "-3 KiB"}, "received ram='-3 KiB'"),
        ({"ram": 1.5}, "whole number above 1, or text such as"),
        ({"ram": "8 KiB"}, "margin of 8 KiB.*Pass margin=0"),
        ({"ram": 4096}, "received ram=4096. Pass margin=0"),
        ({"macs": "3 MiB"}, "macs as a fraction in .* or a whole number above 1; rec"),
    ],
    ids=str,
)
def test_amounts_that_say_nothing(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BudgetError, match=sentence):
        kd.Budget(**arguments)


@pytest.mark.parametrize("margin", [-0.1, float("inf"), "none"])
def test_margin_out_of_range(margin: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="margin to be a number of at least"):
        kd.Budget(ram="64 KiB", margin=margin)


@pytest.mark.parametrize("size", [16_384, 40_000, 65_536, 1_000_000])
def test_margin_leaves_room_for_the_board(size: int) -> None:
    most = kd.Budget(ram=size).limits({})["ram"]
    assert most + max(8192, 0.2 * most) == pytest.approx(size)
    assert kd.Budget(ram=size, margin=0).limits({}) == {"ram": size}
    assert kd.Budget(ram=0.5).limits({"ram": 3000}) == {"ram": 1500}


def _model() -> keras.Model:
    inputs = keras.Input((12, 12, 2))
    x = keras.layers.Conv2D(12, 3, padding="same", activation="relu")(inputs)
    y = keras.layers.Conv2D(10, 3, padding="same", activation="relu")(x)
    x = keras.layers.Add()([x, keras.layers.Conv2D(12, 3, padding="same")(y)])
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(keras.layers.ReLU()(x)))
    return keras.Model(inputs, keras.layers.Dense(4)(x))


def _dense(name: str) -> float:
    return device_cost(name, Gating.without_gates(trace(_model()))).count([])


@pytest.mark.parametrize(
    "limits",
    [{"ram": 0.6}, {"flash": 0.5}, {"ram": "6 KiB", "flash": "7 KiB", "margin": 0}],
    ids=str,
)
def test_fit_meets_the_budget(limits: dict[str, Any]) -> None:
    keras.utils.set_random_seed(2)
    budget = kd.Budget(**limits)
    masked = kd.mask_model(_model(), budget=budget)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    masked.compile("adam", loss)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 12, 12, 2)), rng.integers(0, 4, 64)
    masked.fit(x, y, batch_size=16, epochs=3, verbose=0)
    slim = Gating.without_gates(trace(export.strip(masked)))
    most = budget.limits({name: _dense(name) for name in ("flash", "ram")})
    for name, value in most.items():
        left = device_cost(name, slim).count([])
        assert left <= value
        assert left >= 0.8 * value, "far below what it may cost"


@pytest.mark.parametrize("name", ["flash", "ram"])
def test_out_of_reach(name: str) -> None:
    sentence = (
        rf"Expected {name} of at least [\d,]+, .* a budget of 900\. Raise {name}="
    )
    with pytest.raises(BudgetError, match=sentence):
        kd.mask_model(_model(), budget=kd.Budget(**{name: 900}, margin=0))


def test_measured_dense_model_moves_every_count() -> None:
    found = {name: round(_dense(name)) + 700 for name in ("flash", "ram")}
    budget = kd.Budget(flash=0.9, ram=0.9, measured=Measured(**found))
    masked = kd.mask_model(_model(), budget=budget)
    controller = controller_of(masked)
    assert controller is not None
    for limit, entry in zip(controller.as_limits(), controller.limits, strict=True):
        assert entry["dense"] == pytest.approx(found[limit.cost.name])
    flash, ram = (limit.cost for limit in controller.as_limits())
    assert ram.offset == pytest.approx(700, abs=1)
    assert flash.scale > 1.1
    # What is scaled is what stays: of the kernels nothing is counted twice.
    half = [np.arange(gate.units) % 2 for gate in kd.gates(masked)]
    plain = controller_of(kd.mask_model(_model(), budget=kd.Budget(flash=0.9)))
    before = plain.as_limits()[0].cost.count(half)
    assert flash.count(half) == pytest.approx(before + 700, abs=1)


def test_saved_with_its_budget(tmp_path: Any) -> None:
    masked = kd.mask_model(_model(), budget=kd.Budget(flash=0.6, ram=0.6))
    masked.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    controllers = controller_of(masked), controller_of(again)
    before, after = (
        [(limit.cost.dense([12, 10]), limit.most) for limit in c.as_limits()]
        for c in controllers
        if c is not None
    )
    assert before == after
