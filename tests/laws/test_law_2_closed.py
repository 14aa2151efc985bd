"""Law 2: a closed unit contributes exactly 0.0 to every consumer."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import layers
from tests.laws.masked_cases import (
    CASES,
    UNIT_CASES,
    Case,
    array,
    copy_weights,
    gates,
    one_per_layer,
    output_gate,
    random_keep,
    randomize,
    run,
    set_logits,
)
from tests.laws.pairs import factors


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


@pytest.mark.parametrize("case", UNIT_CASES, ids=str)
def test_unit_closed_by_hand_is_exactly_zero(case: Case) -> None:
    """In training and inference; beside it the open ones are the plain layer's."""
    layer, x = _built(case)
    for gate in gates(layer)[:-1]:
        gate.set_keep(np.ones(gate.mask_shape, bool))
    for training in (True, False):
        keep = random_keep(output_gate(layer), seed=int(training))
        output_gate(layer).set_keep(keep)
        outputs = run(layer, x, training)
        _assert_exactly_closed(case, outputs, keep)
    softmax = keras.activations.softmax
    if case.is_recurrent or getattr(case.bare(), "activation", None) is softmax:
        return  # their units hear of each other
    plain = case.plain()
    plain(x)
    copy_weights(layer, plain)
    ours, expected = _by_unit(case, outputs), _by_unit(case, run(plain, x))
    assert np.array_equal(ours[..., keep], expected[..., keep])


def test_unit_closed_by_its_logit_is_exactly_zero() -> None:
    for case in one_per_layer():
        if case.granularity == "channel" and case.example.unit_axis is not None:
            layer, x = _built(case)
            keep = random_keep(output_gate(layer))
            set_logits(output_gate(layer), np.where(keep, 4.5, -4.5))
            assert np.array_equal(output_gate(layer).keep, keep), str(case)
            _assert_exactly_closed(case, run(layer, x), keep)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.granularity not in ("channel", "branch")], ids=str
)
def test_closed_part_is_the_plain_layer_with_zeros_there(case: Case) -> None:
    layer, x = _built(case)
    plain = case.plain()
    plain(x)
    copy_weights(layer, plain)
    keep = random_keep(output_gate(layer))
    output_gate(layer).set_keep(keep)
    kernel = getattr(plain, next(iter(case.layer_class.unit_axes)))
    (factor,) = factors(case, layer, [keep])
    assert 0 < np.count_nonzero(factor) < factor.size
    kernel.assign(array(kernel) * factor)
    assert np.array_equal(run(layer, x), run(plain, x))
    assert np.array_equal(run(layer, x, True), run(plain, x, True))


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
