"""MaskedResidual: the sum of a branch with a gate, put in by hand."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError
from tests.laws import alive
from tests.laws.test_law_3_strip import assert_stock
from tests.laws.zoo import Entry


def _build() -> keras.Model:
    """Three sums: of one branch, of two branches, and with a mask from outside."""
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(5, 1, name="stem")(inputs)
    y = layers.Conv2D(5, 3, padding="same", name="a")(x)
    x = kd.layers.MaskedResidual(name="a_sum")([x, y])
    pair = [layers.Conv2D(5, 1, name=name, activation="tanh") for name in "bc"]
    x = kd.layers.MaskedResidual(name="bc_sum")([x, *(layer(x) for layer in pair)])
    mask, _ = kd.Gate(1, min_keep=0, name="outside")(inputs)
    shared = kd.layers.MaskedResidual(estimator=None, name="d_sum")
    x = shared([x, layers.Conv2D(5, 1, name="d")(x)], gate_mask=mask)
    return keras.Model(inputs, layers.Dense(2, name="head")(layers.Flatten()(x)))


ENTRY = Entry("by_hand", _build, ((4, 4, 3),))
GONE = {"a_sum_gate": "a", "bc_sum_gate": "bc", "outside": "d"}


def _gates(model: keras.Model) -> dict[str, kd.Gate]:
    return {gate.name: gate for gate in kd.gates(model)}


@pytest.mark.parametrize("closed", [*GONE, "none", "all"])
def test_closed_branch_goes_whole(closed: str) -> None:
    dtype = "float64" if alive.TENSORFLOW else "float32"
    model, x = alive.build(ENTRY, dtype), ENTRY.inputs()
    gone: set[str] = set()
    for name, gate in _gates(model).items():
        is_closed = closed in (name, "all")
        gate.set_keep(np.array([not is_closed]))
        if is_closed:
            gone |= {*GONE[name], f"{GONE[name]}_sum"}
    slim, plan = export.strip(model), export.plan(model)
    before = {y.name for y in model.layers if not isinstance(y, kd.Gate)}
    assert {y.name for y in slim.layers} == before - gone
    tolerance = 1e-9 if alive.TENSORFLOW else 1e-5
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= tolerance
    assert_stock(slim)
    assert plan.parameters[1] == slim.count_params()
    assert {b.join for b in plan.branches} == {name for name in gone if "_sum" in name}


def test_closed_adds_nothing_and_fractions_are_stripped(tmp_path: Path) -> None:
    model, x = alive.build(ENTRY), ENTRY.inputs()
    gate = _gates(model)["bc_sum_gate"]
    whole, without = (_with(model, gate, keep, x) for keep in (True, False))
    gate.set_keep(None)
    gate.raw_logits.assign([0.0])
    np.testing.assert_allclose(alive.array(gate.inference_mask()), [0.5], atol=1e-6)
    half = alive.run(model, x)[0]
    np.testing.assert_allclose(half, (whole + without) / 2, atol=1e-5)
    slim = export.strip(model)
    slim.save(tmp_path / "slim.keras")
    for stripped in (slim, keras.models.load_model(tmp_path / "slim.keras")):
        assert alive.distance([half], alive.run(stripped, x)) <= 1e-5
    assert_stock(slim)


def _with(model: keras.Model, gate: kd.Gate, keep: bool, x: Any) -> np.ndarray:
    gate.set_keep(np.array([keep]))
    return alive.run(model, x)[0]


def test_bad_input() -> None:
    x = np.ones((2, 3), "float32")
    with pytest.raises(InvalidArgumentError) as error:
        kd.layers.MaskedResidual(name="lone")([x])
    assert str(error.value) == (
        "Expected a list of a skip and at least one branch for 'lone'; received 1 "
        "tensor. Call it as layer([x, branch(x)])."
    )
    with pytest.raises(InvalidArgumentError, match="granularity='channel'"):
        kd.layers.MaskedResidual(granularity="channel")
