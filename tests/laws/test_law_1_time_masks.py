"""Law 1 for Keras' own masks: a gate changes neither their use nor their way on."""

import inspect
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.backend import get_keras_mask

from tests.laws.masked_cases import (
    UNIT_CASES,
    Case,
    array,
    copy_weights,
    own_weights,
    randomize,
)

CASES = [
    case
    for case in UNIT_CASES
    if len(case.example.shape) == 2
    and not case.is_cell
    and "dropout" not in case.example.label
]


def _masked_steps(case: Case) -> Any:
    x = case.inputs()
    x[::2, 1:3] = 0.0
    return keras.layers.Masking()(x)


def _call(layer: Any, case: Case, **more: Any) -> tuple[Any, Any]:
    if "training" in inspect.signature(layer.call).parameters:
        more["training"] = True  # where batch statistics heed the mask
    outputs = layer(_masked_steps(case), **more)
    mask = get_keras_mask(outputs)
    return array(outputs), None if mask is None else array(mask)


@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_time_mask_is_heeded_and_passed_on(case: Case, shared: bool) -> None:
    plain, masked = case.plain(), case.layer(None)
    plain(case.inputs()), masked(case.inputs())
    randomize(plain)
    copy_weights(plain, masked)
    units = masked.gated_units()
    more = {"gate_mask": np.ones(units, "float32")} if shared else {}
    expected, expected_mask = _call(plain, case)
    ours, mask = _call(masked, case, **more)
    assert np.array_equal(expected, ours)
    if masked.stock_class is keras.layers.Layer:
        expected_mask = array(get_keras_mask(_masked_steps(case)))
    assert np.array_equal(expected_mask, mask)
    for old, new in zip(own_weights(plain), own_weights(masked), strict=True):
        assert np.array_equal(array(old), array(new)), new.path
