"""The integers of weights and activations against NumPy, forward and backward."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_diffmask as kd
from keras_diffmask.quantizers import rounding
from tests.reference import fake_quantization as oracle
from tests.reference.gradients import autodiff

SHAPES = [
    ((5, 7), (-1,)),
    ((5, 7), ()),
    ((3, 3, 4, 6), (-1,)),
    ((3, 3, 4, 2), (-2, -1)),
    ((3, 2, 6, 4), (-2,)),
]


def _numpy(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("bits", kd.quantizers.weight_quantizer.BITS)
@pytest.mark.parametrize(("shape", "axes"), SHAPES)
def test_weights_equal_the_oracle(shape: tuple, axes: tuple, bits: int) -> None:
    w = np.random.default_rng(0).normal(size=shape).astype("float32")
    w[..., 0] = 0.0  # a closed channel
    quantizer = kd.quantizers.WeightQuantizer(bits)
    result = _numpy(quantizer.rounded(w, axes))
    np.testing.assert_allclose(result, oracle.symmetric(w, axes, bits), atol=1e-6)


def test_one_scale_per_tensor_where_channels_have_none() -> None:
    w = np.random.default_rng(1).normal(size=(4, 6)).astype("float32")
    quantizer = kd.quantizers.WeightQuantizer(per_channel=False)
    result = _numpy(quantizer.rounded(w, (-1,)))
    np.testing.assert_allclose(result, oracle.symmetric(w, (), 8), atol=1e-6)


def test_gates_of_a_recurrent_kernel_have_a_scale_each() -> None:
    w = np.random.default_rng(2).normal(size=(5, 12)).astype("float32")
    w *= np.repeat([1.0, 10.0, 0.1, 3.0], 3).astype("float32")
    result = _numpy(kd.quantizers.WeightQuantizer().rounded(w, (), parts=4))
    parts = [oracle.symmetric(part, (), 8) for part in np.split(w, 4, axis=1)]
    np.testing.assert_allclose(result, np.concatenate(parts, axis=1), atol=1e-6)


@pytest.mark.parametrize("bits", kd.quantizers.weight_quantizer.BITS)
def test_the_largest_weight_is_on_the_grid(bits: int) -> None:
    """A converter that scales by max|w| finds the same grid again."""
    w = np.random.default_rng(3).normal(size=(9, 5)).astype("float32")
    quantizer = kd.quantizers.WeightQuantizer(bits)
    once = _numpy(quantizer.rounded(w, (-1,)))
    np.testing.assert_allclose(np.abs(once).max(0), np.abs(w).max(0), rtol=1e-6)
    np.testing.assert_allclose(_numpy(quantizer.rounded(once, (-1,))), once, atol=1e-6)


def test_a_factor_per_channel_goes_through() -> None:
    """So that a BatchNormalization may be folded in after the rounding."""
    w = np.random.default_rng(4).normal(size=(3, 3, 2, 5)).astype("float32")
    factor = np.array([1.0, -2.0, 0.3, 7.0, 0.0], "float32")
    quantizer = kd.quantizers.WeightQuantizer()
    before = _numpy(quantizer.rounded(w * factor, (-1,)))
    after = _numpy(quantizer.rounded(w, (-1,))) * factor
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_weights_have_the_gradient_of_the_identity() -> None:
    w = np.random.default_rng(5).normal(size=(4, 3)).astype("float32")
    r = np.random.default_rng(6).normal(size=(4, 3)).astype("float32")
    weight = keras.ops.convert_to_tensor(r)
    quantizer = kd.quantizers.WeightQuantizer(4)
    found = autodiff(lambda v: keras.ops.sum(quantizer.rounded(v, (-1,)) * weight), w)
    np.testing.assert_allclose(found, r, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-50, 0, width=32),
    st.floats(0, 50, width=32),
    st.integers(0, 2**31 - 1),
)
def test_activations_equal_the_oracle(low: float, high: float, seed: int) -> None:
    if high - low < 1e-3:
        return
    x = np.random.default_rng(seed).uniform(1.5 * low, 1.5 * high, 64).astype("f")
    result = _numpy(
        rounding.on_asymmetric_grid(x, np.float32(low), np.float32(high), 8)
    )
    expected = oracle.asymmetric(x.astype(float), low, high)
    scale, _ = oracle.nudged(low, high)
    # Halfway between two integers, float32 and float64 may part.
    off = np.abs(result - expected)
    assert off.max() <= scale * 1.001
    assert np.mean(off > 1e-3 * scale) <= 0.05
    # 0 is one of the integers: padding stays what it is.
    zero = _numpy(rounding.on_asymmetric_grid(np.zeros(1, "f"), low, high, 8))
    assert abs(zero[0]) <= 1e-6 * (high - low)


def test_activations_pass_gradients_inside_of_the_range_only() -> None:
    x = np.linspace(-2, 3, 41).astype("float32")
    low, high = (keras.ops.convert_to_tensor(limit) for limit in (-1.0, 2.0))
    found = autodiff(lambda v: rounding.on_asymmetric_grid(v, low, high, 8), x)
    np.testing.assert_array_equal(found, oracle.passes(x, -1.0, 2.0))


def test_infinite_values_are_clipped_and_pass_no_gradient() -> None:
    x = np.array([-np.inf, -0.5, np.inf], "float32")
    result = _numpy(rounding.on_asymmetric_grid(x, -1.0, 1.0, 8))
    assert np.isfinite(result).all() and result[0] < -0.9 and result[2] > 0.9
    low, high = (keras.ops.convert_to_tensor(limit) for limit in (-1.0, 1.0))
    found = autodiff(lambda v: rounding.on_asymmetric_grid(v, low, high, 8), x)
    np.testing.assert_array_equal(found, [0.0, 1.0, 0.0])


def test_values_are_handed_on_to_the_bit_while_nothing_acts() -> None:
    x = np.array([-np.inf, -3.7, 0.1, 5.3, np.inf], "float32")
    off = keras.ops.convert_to_tensor(False)
    result = _numpy(rounding.on_asymmetric_grid(x, -1.0, 1.0, 8, off))
    np.testing.assert_array_equal(result, x)
    low, high = (keras.ops.convert_to_tensor(limit) for limit in (-1.0, 1.0))
    found = autodiff(
        lambda v: rounding.on_asymmetric_grid(v, low, high, 8, off), x[1:-1]
    )
    np.testing.assert_array_equal(found, 1.0)


def test_results_are_integers_times_the_scale_to_the_bit() -> None:
    """As the device has them, with no rounding of a sum on top."""
    low, high = np.float32(-0.713), np.float32(1.937)
    x = np.random.default_rng(7).uniform(low, high, 200).astype("float32")
    scale = _numpy(
        rounding.nudged(*map(keras.ops.convert_to_tensor, (low, high)), 8)[2]
    )
    result = _numpy(rounding.on_asymmetric_grid(x, low, high, 8))
    np.testing.assert_array_equal(result, np.round(result / scale) * scale)


def test_what_is_clipped_moves_the_range() -> None:
    """d/dhigh counts the values above it, d/dlow those below."""
    x = np.array([-3.0, -2.5, 0.1, 0.7, 5.0], "float32")

    def total(limits: object) -> object:
        return keras.ops.sum(
            rounding.on_asymmetric_grid(x, limits[0], limits[1], 8)  # type: ignore
            + rounding.push_on_limits(x, limits[0], limits[1], 8)  # type: ignore
        )

    np.testing.assert_allclose(
        autodiff(total, np.array([-1.0, 2.0], "float32")), [2.0, 1.0]
    )
