"""A budget in bytes counts the file that the model's own integers come to."""

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask.costs import Gating, device_cost
from keras_diffmask.graph import trace
from keras_diffmask.masking.budgeted import controller_of
from keras_diffmask.quantizers import Quantization

UNITS = (24, 32)
#: 3 -> 24 by 3 x 3, 24 depthwise of 3 x 3, 24 -> 32 by 1 x 1, 32 -> 10.
CONV, DEPTHWISE, DENSE = 3 * 9 * 24 + 24 * 32, 9 * 24, 32 * 10


def _model() -> keras.Model:
    inputs = keras.Input((12, 12, 3))
    h = keras.layers.Conv2D(UNITS[0], 3, activation="relu")(inputs)
    h = keras.layers.DepthwiseConv2D(3, padding="same")(h)
    h = keras.layers.Conv2D(UNITS[1], 1, activation="relu")(h)
    return keras.Model(
        inputs, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(h))
    )


def _flash(**format: object) -> float:
    gating = Gating.without_gates(trace(_model()))
    return device_cost("flash", gating, None, **format).count([])


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("per_channel_dense", [True, False])
def test_budget_counts_the_learned_file(bits: int, per_channel_dense: bool) -> None:
    integers = Quantization(weight_bits=bits, per_channel_dense=per_channel_dense)
    masked = kd.mask_model(_model(), budget=kd.Budget(flash=0.8), quantization=integers)
    controller = controller_of(masked)
    assert controller is not None
    (cost,) = controller.costs
    whole = cost.count([np.ones(units) for units in UNITS])
    assert whole == _flash(weight_bits=bits, per_channel_dense=per_channel_dense)


def test_what_the_format_changes() -> None:
    """4 bits where a kernel unpacks them on every target; a scale per Dense unit."""
    eight = _flash()
    assert eight - _flash(weight_bits=4) == pytest.approx((CONV + DENSE) / 2, abs=16)
    # A float and an integer of 8 bytes per unit, of the kernel and of the bias.
    more = _flash(per_channel_dense=True) - eight
    assert more == pytest.approx(2 * 9 * (4 + 8), abs=16)
    fine = _flash(weight_bits=4, per_channel_dense=True)
    assert eight + more - fine == pytest.approx(CONV / 2, abs=16)


def _ram(**format: object) -> float:
    gating = Gating.without_gates(trace(_model()))
    return device_cost("ram", gating, None, **format).count([])


def test_what_the_format_changes_in_the_arena() -> None:
    """A multiplier and a shift per Dense unit; a kernel of 4 bits is unpacked there."""
    assert _ram(per_channel_dense=True) - _ram() == 8 * 10
    # The 1 x 1 kernel, while its input and its output are in memory.
    assert _ram(weight_bits=4) > _ram() + 24 * 32 - 16
