"""What one mask per channel cannot cover is refused in a sentence."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import layers
from keras_diffmask.errors import InvalidArgumentError
from tests.laws.masked_cases import array, randomize


def test_layer_normalization_over_two_axes_has_no_channel() -> None:
    with pytest.raises(InvalidArgumentError) as error:
        layers.MaskedLayerNormalization(axis=[1, 2], name="norm")
    assert str(error.value) == (
        "Expected one axis to normalize for 'norm', that of the channels; received "
        "axis=[1, 2]. Pass one axis, or leave it keras.layers.LayerNormalization "
        "and put a ChannelMask behind it."
    )


def test_equation_that_writes_no_axis_has_no_unit() -> None:
    layer = layers.MaskedEinsumDense("abc,c->abc", (3, 4), name="scale")
    with pytest.raises(InvalidArgumentError) as error:
        layer.build((None, 3, 4))
    assert str(error.value) == (
        "Expected an equation for 'scale' with an axis that only kernel and output "
        "have, for a gate per unit; received equation='abc,c->abc'. Pass "
        'granularity="weight", or put a ChannelMask behind the layer.'
    )
    from_outside = layers.MaskedEinsumDense("abc,c->abc", (3, 4), estimator=None)
    x = np.ones((1, 3, 4), "float32")
    assert from_outside(x).shape == (1, 3, 4)
    # Keras puts an error of its own around what a call raises.
    with pytest.raises(RuntimeError, match="that only kernel and output have"):
        from_outside(x, gate_mask=np.ones(4, "float32"))
    by_weight = layers.MaskedEinsumDense("abc,c->abc", (3, 4), granularity="weight")
    by_weight.build((None, 3, 4))
    assert by_weight.gate.mask_shape == (4,)


@pytest.mark.parametrize(
    "layer_class",
    [
        layers.MaskedLayerNormalization,
        layers.MaskedGroupNormalization,
        layers.MaskedMultiHeadAttention,
    ],
)
def test_no_gates_on_weights_where_there_is_no_one_kernel(layer_class: Any) -> None:
    attention = layer_class is layers.MaskedMultiHeadAttention
    arguments = {"num_heads": 2, "key_dim": 2} if attention else {}
    with pytest.raises(InvalidArgumentError, match="granularity='weight'"):
        layer_class(granularity="weight", **arguments)


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling:UserWarning")
@pytest.mark.parametrize("scale", [True, False])
def test_rms_scaling_has_a_gamma_to_mask_and_no_beta(scale: bool) -> None:
    masked = layers.MaskedLayerNormalization(rms_scaling=True, scale=scale)
    plain = keras.layers.LayerNormalization(rms_scaling=True, scale=scale)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    masked(x), plain(x)
    randomize(plain)
    masked.gamma.assign(array(plain.gamma))
    keep = np.array([True, False, True, False])
    masked.gate.set_keep(keep)
    assert np.array_equal(array(masked(x)), array(plain(x)) * keep)
