"""A name with a slip in it is answered with the one that was meant, everywhere."""

import keras
import pytest

import keras_diffmask as kd
from keras_diffmask import export, targets
from keras_diffmask.errors import InvalidArgumentError


def model():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "relu")])


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: kd.mask_model(model(), quantization="INT8"), "int8"),
        (lambda: kd.quantize_model(model(), "int-4"), "int4"),
        (lambda: kd.mask_model(model(), "hard concrete"), "hard_concrete"),
        (lambda: kd.regularizers.get("l_0"), "l0"),
        (lambda: targets.get("cortex_m"), "cortex-m"),
        (lambda: export.to_tflite(model(), "INT16x8"), "int16x8"),
        (lambda: export.to_tflite(model(), target="CORTEX-M"), "cortex-m"),
    ],
)  # fmt: skip
def test_a_slip_is_answered_with_what_was_meant(call, meant):
    with pytest.raises(InvalidArgumentError, match=f"Did you mean '{meant}'"):
        call()


def test_what_is_near_to_nothing_is_answered_with_what_there_is():
    with pytest.raises(InvalidArgumentError, match="'int8' or 'int4'.*Pass one of"):
        kd.mask_model(model(), quantization=8)
    with pytest.raises(InvalidArgumentError, match="describe the device with"):
        targets.get(object())
