"""One step of `fit` gives the same gates, however Keras runs it."""

import functools
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd

RATE = 5.0  # far enough to tell a step from rounding


def masked(policy: str, estimator: str) -> kd.MaskedModel:
    """A convolution with a norm, and an LSTM along the rows of what it gives."""
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", dtype=policy)(inputs)
    x = keras.layers.BatchNormalization(dtype=policy)(x)
    x = keras.layers.ReLU(dtype=policy)(x)
    x = keras.layers.Reshape((4, 16), dtype=policy)(x)
    x = keras.layers.LSTM(5, dtype=policy)(x)
    x = keras.layers.Dense(2, dtype="float32")(x)
    return kd.mask_model(
        keras.Model(inputs, x),
        estimator,
        gate_regularizer=kd.regularizers.L0(1e-3),
        logit_scale=1,
    )


@functools.cache
def after_a_step(
    policy: str, estimator: str, mode: str = "eager"
) -> tuple[list[Any], list[Any], float]:
    """The logits before and after a step, and its loss."""
    keras.utils.set_random_seed(4)
    model = masked(policy, estimator)
    before = logits(model)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 4, 4, 1)).astype("float32")
    y = random.normal(size=(8, 2)).astype("float32")
    model.compile(
        keras.optimizers.SGD(RATE),
        "mse",
        jit_compile=mode == "jit",
        run_eagerly=mode == "eager",
    )
    history = model.fit(x, y, batch_size=8, verbose=0)
    return before, logits(model), history.history["loss"][0]


def logits(model: kd.MaskedModel) -> list[Any]:
    gates = kd.gates(model)
    assert len(gates) == 2
    assert all(gate.raw_logits.dtype == "float32" for gate in gates)
    return [keras.ops.convert_to_numpy(gate.raw_logits).copy() for gate in gates]


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="torch.compile takes minutes on a CPU"
)
def test_compiled_by_xla() -> None:
    # An estimator without noise: under XLA TensorFlow draws with another
    # generator, and makes other numbers of the same seed.
    before, expected, loss = after_a_step("float32", "straight_through")
    again, after, other_loss = after_a_step("float32", "straight_through", "jit")
    assert other_loss == pytest.approx(loss, rel=1e-5)
    for start, same, want, have in zip(before, again, expected, after, strict=True):
        assert np.array_equal(start, same)
        assert np.abs(want - start).max() > 3e-4
        np.testing.assert_allclose(have, want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_in_mixed_precision(policy: str) -> None:
    # Eager: compiling would take longer than the step.
    before, expected, loss = after_a_step("float32", "hard_concrete")
    _, after, other_loss = after_a_step(policy, "hard_concrete")
    assert other_loss == pytest.approx(loss, rel=0.03)
    for start, want, have in zip(before, expected, after, strict=True):
        moved = np.abs(want - start).max()
        assert moved > 1e-4
        # bfloat16 has 8 bits of mantissa; the gates' own part is float32.
        np.testing.assert_allclose(have, want, rtol=0, atol=0.1 * moved)


def test_a_budget_is_met_on_any_backend() -> None:
    """The controller's cost is differentiated inside of the step."""
    keras.utils.set_random_seed(4)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    masked = kd.mask_model(model, budget=kd.Budget(parameters=0.5))
    (gate,) = kd.gates(masked)
    before = keras.ops.convert_to_numpy(gate.keep_probability())
    masked.compile("adam", "mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    fitted = masked.fit(x, x[:, :2], batch_size=2, epochs=4, verbose=0)
    assert gate.is_fixed and 0 < gate.keep.sum() <= 4
    gate.set_keep(None)
    assert np.all(keras.ops.convert_to_numpy(gate.keep_probability()) < before)
    assert np.all(np.isfinite(fitted.history["loss"]))
