"""Rounding in inference, against integer arithmetic of the device in NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_diffmask as kd
from keras_diffmask.quantizers.requantization import (
    AVERAGE,
    STORED,
    Multiples,
    requantized,
)
from tests.reference import fake_quantization
from tests.reference import requantization as oracle
from tests.reference.gradients import autodiff

# A scale of few bits, so that sums lie halfway between two integers exactly.
SCALE = 1 / 128
LOW, HIGH = -100 * SCALE, 155 * SCALE
ZERO = 100 - 128


def _rounded(values: np.ndarray, source: Multiples) -> np.ndarray:
    limits = (keras.ops.convert_to_tensor(x) for x in (LOW, HIGH))
    values = keras.ops.convert_to_tensor(values, "float32")
    return keras.ops.convert_to_numpy(requantized(values, source, *limits, 8))


def _integers(values: np.ndarray, source: Multiples) -> np.ndarray:
    return np.rint(_rounded(values, source) / SCALE).astype("int64")


def _source(step: float, **more: object) -> Multiples:
    return Multiples(keras.ops.convert_to_tensor(step, "float32"), **more)


def _clipped(integers: np.ndarray) -> np.ndarray:
    return np.clip(integers, -128 - ZERO, 127 - ZERO)


def _equal(found: np.ndarray, expected: np.ndarray) -> None:
    """But for what 24 bits of a float cannot tell of 31."""
    assert np.mean(found == _clipped(expected)) >= 0.998
    assert np.abs(found - _clipped(expected)).max() <= 1


def _drawn(low: float, high: float) -> st.SearchStrategy[float]:
    """No fractions of small numbers, of which 24 bits cannot tell halves."""
    seeds = st.integers(0, 10**6)
    return seeds.map(lambda seed: np.random.default_rng(seed).uniform(low, high))


# Of ratios with few bits there are sums that lie halfway in every one of the roundings.
RATIOS = st.one_of(
    _drawn(1e-5, 0.01),
    _drawn(0.01, 1.0),
    st.sampled_from([0.5, 0.25, 3 / 128, 2.0**-9, 0.75, 1.0]),
)


def _sums(ratio: float, size: int = 4000) -> np.ndarray:
    reach = int(min(140 / ratio, 2**20))
    return np.random.default_rng(0).integers(-reach, reach + 1, size)


@given(RATIOS)
@settings(max_examples=30, deadline=None)
def test_a_kernel_rounds_twice(ratio: float) -> None:
    sums, ratio = _sums(ratio), float(np.float32(ratio))
    found = _integers(sums * (ratio * SCALE), _source(ratio * SCALE))
    _equal(found, oracle.twice(sums, *oracle.multiplier(ratio)))


@given(RATIOS)
@settings(max_examples=30, deadline=None)
def test_fully_connected_rounds_once(ratio: float) -> None:
    sums, ratio = _sums(ratio), float(np.float32(ratio))
    found = _integers(sums * (ratio * SCALE), _source(ratio * SCALE, roundings=1))
    _equal(found, oracle.once(sums, *oracle.multiplier(ratio)))


def test_the_two_differ_where_a_product_is_almost_a_half() -> None:
    ratio = 0.0123
    sums = _sums(ratio, 40000)
    twice, once = (
        _integers(sums * (ratio * SCALE), _source(ratio * SCALE, roundings=n))
        for n in (2, 1)
    )
    assert 1e-4 < np.mean(twice != once) < 1e-1


@given(st.integers(2, 3000), _drawn(0.05, 30.0))
@settings(max_examples=40, deadline=None)
def test_a_mean_divides_in_its_multiplier(count: int, ratio: float) -> None:
    rng, stored = np.random.default_rng(1), ratio * SCALE
    means = rng.uniform(-140 / ratio, 140 / ratio, 2000)
    sums = np.rint(means * count).astype("int64")
    source = _source(stored / count, count=count)
    found = _integers(sums * (stored / count), source)
    expected = oracle.mean(sums, float(np.float32(stored) / np.float32(SCALE)), count)
    _equal(found, expected)


@pytest.mark.parametrize("count", [2, 4, 6, 9, 64, 1024])
def test_an_average_takes_halves_away_from_zero_of_the_device(count: int) -> None:
    stored = np.random.default_rng(2).integers(-128, 128, (3000, count))
    reals = ((stored - ZERO) * SCALE).astype("float32").mean(axis=1)
    found = _integers(reals, _source(SCALE, kind=AVERAGE))
    expected = oracle.average(stored.sum(axis=1), count)
    np.testing.assert_array_equal(found + ZERO, expected)


@pytest.mark.parametrize("kind", [STORED, AVERAGE])
def test_what_nobody_knows_is_rounded_once_to_the_nearest(kind: str) -> None:
    x = np.random.default_rng(3).normal(size=500).astype("float32")
    expected = fake_quantization.asymmetric(x, LOW, HIGH)
    np.testing.assert_allclose(
        _rounded(x, _source(0.0, kind=kind)), expected, atol=1e-6
    )


def test_channels_have_steps_of_their_own() -> None:
    steps = np.array([3e-4, 0.0, 2e-5], "float32")
    x = np.random.default_rng(4).normal(size=(200, 3)).astype("float32")
    found = _rounded(x, Multiples(keras.ops.convert_to_tensor(steps)))
    for channel, step in enumerate(steps):
        alone = _rounded(x[:, channel], _source(step))
        np.testing.assert_array_equal(found[:, channel], alone)


def test_backward_is_the_identity_inside_of_the_range() -> None:
    x = np.array([-2.0, -0.7, 0.004, 1.2, 1.6], "float32")
    limits = [keras.ops.convert_to_tensor(limit) for limit in (LOW, HIGH)]
    gradient = autodiff(lambda v: requantized(v, _source(1e-3), *limits, 8), x)
    np.testing.assert_array_equal(gradient, [0.0, 1.0, 1.0, 1.0, 0.0])


def test_a_quantizer_that_waits_hands_on_what_it_gets() -> None:
    layer = kd.layers.FakeQuantize(delay=5)
    x = np.random.default_rng(5).normal(size=(4, 3)).astype("float32")
    layer(x, training=True)
    found = layer.requantize(keras.ops.convert_to_tensor(x), _source(0.01))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), x)
    assert float(keras.ops.convert_to_numpy(layer.step())) == 0.0
