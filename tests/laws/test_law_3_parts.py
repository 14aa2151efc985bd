"""Laws 3 and 4 for `mask_model` at granularities finer than a channel."""

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from tests.laws import alive
from tests.laws.alive import MODELS
from tests.laws.masked_cases import (
    FIRST_CASES,
    LEVELS,
    Case,
    copy_weights,
    gates,
    random_keep,
    randomize,
)


def test_producers_of_closed_inputs_lose_their_channels() -> None:
    """By exact count; the model's own inputs stay, and so does the function."""
    entry = MODELS["cnn_with_bias"]
    original, x = alive.pair(entry.name)[0], entry.inputs()
    masked = kd.mask_model(original, granularity="input")
    widths = {"same": 8, "valid": 6, "strided": 7}
    gates = kd.gates(masked)
    assert [gate.units for gate in gates] == [3, *widths.values()]
    rng = np.random.default_rng(0)
    for gate, closed in zip(gates, (1, 3, 2, 4), strict=True):
        gate.set_keep(rng.permutation(np.arange(gate.units) >= closed))
    before = alive.fingerprint(masked)
    expected = alive.run(masked, x)
    slim, plan = export.strip(masked), export.plan(masked)
    assert alive.distance(expected, alive.run(slim, x)) <= 1e-5
    assert alive.early_swap(slim, x) > 1e-3
    kept = {"same": 5, "valid": 4, "strided": 3}
    assert {name: slim.get_layer(name).filters for name in kept} == kept
    rows = {name: row for row in plan.rows for name in row.layers}
    for name, width in widths.items():
        assert (rows[name].kept, rows[name].total) == (kept[name], width)
    assert plan.parameters == (original.count_params(), slim.count_params())
    assert slim.input_shape == original.input_shape
    alive.assert_untouched(masked, before)


@pytest.mark.parametrize("level", ["weight", "kernel", LEVELS["block"], "input"])
def test_zeros_are_where_the_gates_say_and_the_strip_keeps_the_function(
    level: str,
) -> None:
    entry = MODELS["cnn_with_bias"]
    original, x = alive.pair(entry.name)[0], entry.inputs()
    masked = kd.mask_model(original, granularity=level)
    assert np.array_equal(alive.run(original, x)[0], alive.run(masked, x)[0])
    alive.decide(masked, 0.4, seed=3)
    slim = export.strip(masked)
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5
    for gate in kd.gates(masked):
        layer = masked.get_layer(gate.name.removesuffix("_gate"))
        ((_, value),) = layer.masked_weights(gate.inference_mask())
        count = np.count_nonzero(alive.array(value))
        assert 0 < count < np.prod(layer.kernel.shape), gate.name
        expected = float(alive.array(gate.expected_weights()))
        np.testing.assert_allclose(expected, count, rtol=1e-6, err_msg=gate.name)


@pytest.mark.parametrize(
    "case", [case for case in FIRST_CASES if case.granularity == "weight"], ids=str
)
def test_every_layer_is_stripped_of_gates_on_its_weights(case: Case) -> None:
    layer, x = case.layer(), case.inputs()
    model = case.model(layer)
    randomize(layer)
    for gate in gates(layer):
        gate.set_keep(random_keep(gate))
    slim = export.strip(model)
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-5
    plain = case.plain()
    open_model = case.model(plain)
    copy_weights(layer, plain)
    assert alive.distance(alive.run(open_model, x), alive.run(slim, x)) > 1e-3


def test_grouped_convolution_is_left_alone_by_a_gate_per_input() -> None:
    """One row of its kernel reads a channel of every group: no gate for it."""
    original = alive.pair("grouped")[0]
    masked = kd.mask_model(original, granularity="input")
    assert "grouped_gate" not in {gate.name for gate in kd.gates(masked)}
    assert type(masked.get_layer("grouped")) is keras.layers.Conv2D
    by_kernel = kd.mask_model(original, granularity="kernel")
    assert "grouped_gate" in {gate.name for gate in kd.gates(by_kernel)}


@pytest.mark.parametrize("level", ["channel", "input", "weight"])
def test_every_gate_learns_as_fast_as_was_asked(level: str) -> None:
    masked = kd.mask_model(alive.pair("mlp")[0], granularity=level, logit_scale=7.0)
    assert {gate.logit_scale for gate in kd.gates(masked)} == {7.0}
