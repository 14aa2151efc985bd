"""Law 2: a closed unit contributes exactly 0.0 to every consumer."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import layers
from tests.laws.masked_cases import (
    CASES,
    ESTIMATORS,
    FIRST_CASES,
    UNIT_CASES,
    Case,
    array,
    closed_logit,
    copy_weights,
    gates,
    make_estimator,
    output_gate,
    random_keep,
    randomize,
    run,
    set_logits,
)


def _built(case: Case, estimator: Any = "hard_concrete") -> tuple[Any, np.ndarray]:
    layer, x = case.layer(estimator), case.inputs()
    layer(x)
    randomize(layer)
    return layer, x


def _by_unit(case: Case, outputs: np.ndarray) -> np.ndarray:
    return np.moveaxis(outputs, case.example.unit_axis, -1)


def _assert_exactly_closed(case: Case, outputs: np.ndarray, keep: np.ndarray) -> None:
    units = _by_unit(case, outputs)
    assert np.all(units[..., ~keep] == 0.0)
    assert np.all(np.isfinite(units))
    # The law is empty in a layer where everything is 0.
    assert np.all(np.any(units[..., keep] != 0.0, axis=tuple(range(units.ndim - 1))))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", UNIT_CASES, ids=str)
def test_unit_closed_by_hand_is_exactly_zero(case: Case, training: bool) -> None:
    layer, x = _built(case)
    keep = random_keep(output_gate(layer), seed=int(training))
    output_gate(layer).set_keep(keep)
    for gate in gates(layer)[:-1]:
        gate.set_keep(np.ones(gate.mask_shape, bool))
    _assert_exactly_closed(case, run(layer, x, training), keep)


@pytest.mark.parametrize("key", ESTIMATORS)
@pytest.mark.parametrize("case", [c for c in FIRST_CASES if c in UNIT_CASES], ids=str)
def test_unit_closed_by_its_logit_is_exactly_zero(case: Case, key: str) -> None:
    layer, x = _built(case, make_estimator(key))
    keep = random_keep(output_gate(layer))
    set_logits(
        output_gate(layer), np.where(keep, 4.5, closed_logit(make_estimator(key)))
    )
    assert np.array_equal(output_gate(layer).keep, keep)
    _assert_exactly_closed(case, run(layer, x), keep)


@pytest.mark.parametrize("case", [c for c in UNIT_CASES if not c.is_recurrent], ids=str)
def test_open_units_beside_closed_ones_are_those_of_the_plain_layer(case: Case) -> None:
    layer, x = _built(case)
    plain = case.plain()
    plain(x)
    copy_weights(layer, plain)
    keep = random_keep(output_gate(layer))
    output_gate(layer).set_keep(keep)
    if getattr(case.bare(), "activation", None) is keras.activations.softmax:
        pytest.skip("softmax couples its units")
    ours, expected = run(layer, x), run(plain, x)
    ours, expected = _by_unit(case, ours), _by_unit(case, expected)
    assert np.array_equal(ours[..., keep], expected[..., keep])


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.granularity == "weight"], ids=str
)
def test_closed_weight_is_the_plain_layer_with_a_zero_there(case: Case) -> None:
    layer, x = _built(case)
    plain = case.plain()
    plain(x)
    copy_weights(layer, plain)
    keep = random_keep(output_gate(layer))
    output_gate(layer).set_keep(keep)
    kernel = getattr(plain, next(iter(case.layer_class.unit_axes)))
    kernel.assign(array(kernel) * keep)
    assert np.array_equal(run(layer, x), run(plain, x))


@pytest.mark.parametrize(
    "activation", ["sigmoid", "softplus", "softmax", "exponential"]
)
@pytest.mark.parametrize("layer_class", [layers.MaskedDense, layers.MaskedConv2D])
def test_unit_is_zero_where_the_activation_at_zero_is_not(
    layer_class: Any, activation: str
) -> None:
    if layer_class is layers.MaskedDense:
        layer, shape = layer_class(5, activation=activation), (3, 4)
    else:
        layer, shape = layer_class(5, 2, activation=activation), (3, 4, 4, 2)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    layer(x)
    randomize(layer)
    keep = np.array([True, False, True, True, False])
    layer.gate.set_keep(keep)
    outputs = array(layer(x))
    assert np.all(outputs[..., ~keep] == 0.0) and np.all(outputs[..., keep] != 0.0)
