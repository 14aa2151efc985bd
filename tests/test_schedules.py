"""Schedules: their values, what they refuse, and the step that a layer counts."""

import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, layers, schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.regularizers import L0
from tests.laws.masked_cases import array, gates


def _linear(s: float, e: float, p: float) -> float:
    return s + (e - s) * p


def _exponential(s: float, e: float, p: float) -> float:
    return math.copysign(abs(s) ** (1 - p) * abs(e) ** p, s)


def _cosine(s: float, e: float, p: float) -> float:
    return e + (s - e) * 0.5 * (1 + math.cos(math.pi * p))


ORACLES = {"linear": _linear, "exponential": _exponential, "cosine": _cosine}
every_schedule = pytest.mark.parametrize("name", schedules.ALL_OBJECTS)


def _make(name: str, *args: Any, **more: Any) -> schedules.Schedule:
    return schedules.ALL_OBJECTS[name](*args, **more)


@every_schedule
@pytest.mark.parametrize(
    ("start", "end"), [(5.0, 0.5), (0.01, 2.0), (-1.0, -4.0), (3.0, 3.0)]
)
def test_values(name: str, start: float, end: float) -> None:
    for delay in (0, 7):
        schedule = _make(name, start, end, steps=40, delay=delay)
        for step in (0, 1, delay, delay + 1, delay + 13, delay + 39):
            share = min(max((step - delay) / 40, 0.0), 1.0)
            expected = ORACLES[name](start, end, share)
            error = abs(float(schedule(step)) - expected)
            assert error <= 4e-7 * max(abs(start), abs(end)), (step, error)
        for late in (delay + 40, delay + 41, 10**7):
            np.testing.assert_allclose(float(schedule(late)), end, rtol=1e-6)
        values = array(schedule(np.arange(60)))
        assert values.dtype == np.float32
        low, high = np.float32(min(start, end)), np.float32(max(start, end))
        assert low <= values.min() and values.max() <= high
        slack = 1e-6 * max(abs(start), abs(end))
        assert np.all(np.diff(values) * np.sign(end - start) >= -slack)


@every_schedule
@pytest.mark.parametrize("start", [0.1, 0.3, 0.7, 5.0, 123.4])
def test_rounding_takes_no_temperature_to_zero(name: str, start: float) -> None:
    """In float32, 5 + (1e-9 - 5) is 0."""
    values = array(_make(name, start, 1e-9, steps=7)(np.arange(9)))
    assert np.all(values > 0.0) and values[-1] <= 2e-9


@every_schedule
def test_config_round_trip(name: str) -> None:
    schedule = _make(name, 4.0, 0.25, steps=30, delay=3)
    text = json.dumps(schedules.serialize(schedule))
    again = schedules.get(json.loads(text), "temperature", above=0.0)
    assert type(again) is type(schedule)
    assert (
        again.get_config()
        == schedule.get_config()
        == dict(start=4.0, end=0.25, steps=30, delay=3)
    )
    assert repr(again).endswith("(start=4.0, end=0.25, steps=30, delay=3)")
    assert schedules.serialize(0.5) == 0.5 == schedules.at(0.5, 9)
    assert float(schedules.at(again, 0)) == 4.0


@every_schedule
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((math.nan, 1.0, 5), "Expected finite start and end; received start=nan"),
        ((1.0, math.inf, 5), "Expected finite start and end; .*end=inf"),
        ((1.0, 2.0, 0), "Expected steps >= 1 and delay >= 0; received steps=0"),
        ((1.0, 2.0, -3), "steps=-3"),
        ((1.0, 2.0, 5, -1), "delay=-1. Pass a number, or for example schedules"),
    ],
)
def test_bad_schedule_is_refused(name: str, arguments: tuple, sentence: str) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        _make(name, *arguments)


@pytest.mark.parametrize("ends", [(1.0, -1.0), (0.0, 1.0), (1.0, 0.0)])
def test_ratio_without_a_sign_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(InvalidArgumentError, match="same sign, neither 0; received"):
        schedules.Exponential(*ends, steps=5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            schedules.Linear(5.0, -0.5, steps=9),
            "to be a finite number > 0 at every step; received .*Linear",
        ),
        (
            schedules.Cosine(-1.0, 2.0, steps=9),
            "to be a finite number > 0 at every step",
        ),
        (
            schedules.Linear(1.0, 0.0, steps=9),
            "to be a finite number > 0 at every step",
        ),
        (0.0, "to be a finite number > 0; received temperature=0"),
        (-2, "to be a finite number > 0"),
        (math.nan, "to be a finite number > 0"),
        (math.inf, "to be a finite number > 0"),
        (True, "to be a number or a schedule; received temperature=True"),
        ("hot", "to be a number or a schedule"),
        (None, "to be a number or a schedule"),
    ],
    ids=str,
)
def test_temperature_that_reaches_zero_is_refused(value: Any, expected: str) -> None:
    """Whether it begins there, ends there, or passes through on its way."""
    with pytest.raises(InvalidArgumentError, match=f"Expected temperature {expected}"):
        schedules.get(value, "temperature", above=0.0)


def test_numbers_and_schedules_in_range_are_taken() -> None:
    assert schedules.get(2, "temperature", above=0.0) == 2.0
    ramp = schedules.Linear(0.0, 1.0, steps=3)
    assert schedules.get(ramp, "strength", least=0.0) is ramp
    with pytest.raises(InvalidArgumentError, match="a finite number >= 0 at every"):
        schedules.get(schedules.Linear(1.0, -1e-3, steps=3), "strength", least=0.0)


# -- the step that a layer counts ---------------------------------------------------

RAMP = schedules.Linear(0.0, 1.0, steps=8, delay=2)


def _penalty(step: int) -> float:
    return min(max((step - 2) / 8, 0.0), 1.0)


def _gate(**more: Any) -> Gate:
    gate = Gate(3, regularizer=L0(RAMP), weights_per_gate=2.0, **more)
    gate.build()
    return gate


def _step(gate: Gate) -> float:
    return float(array(gate.step))


def test_gate_counts_its_training_calls_and_no_others() -> None:
    gate = _gate()
    kept = 2.0 * array(gate.keep_probability()).sum()
    for step in range(14):
        assert _step(gate) == step
        gate(training=True)
        gate(training=False), gate(), gate.inference_mask()
        # Keras asks for it after the calls of the step.
        (loss,) = gate.losses
        np.testing.assert_allclose(float(loss), _penalty(step) * kept, rtol=1e-5)


def test_gate_without_a_schedule_counts_nothing() -> None:
    gate = Gate(3, regularizer=L0(0.1))
    gate.build()
    gate(training=True)
    assert gate.step is None and gate.at_step() == 0.0
    assert "step" not in {v.name for v in gate.weights}


def test_fixed_gate_goes_on_counting() -> None:
    gate = _gate()
    gate.set_keep(np.array([True, False, True]))
    gate(training=True)
    assert _step(gate) == 1.0


def _model() -> keras.Model:
    """A gate for every way in which a layer comes to call one."""
    steps, vector = keras.Input((4, 3)), keras.Input((3,))
    mask, _ = Gate(5, regularizer=L0(RAMP), name="shared")(vector)
    x = layers.MaskedDense(5, estimator=None)(vector, gate_mask=mask)
    x = layers.MaskedDense(5, gate_regularizer=L0(RAMP))(x)
    both = {"input_estimator": "hard_concrete", "gate_regularizer": L0(RAMP)}
    y = layers.MaskedLSTM(2, return_sequences=True, **both)(steps)
    y = keras.layers.RNN(layers.MaskedLSTMCell(2, **both))(y)
    return keras.Model([steps, vector], [x, y])


X = [np.ones((6, 4, 3), "float32"), np.ones((6, 3), "float32")]
Y = [np.zeros((6, 5), "float32"), np.zeros((6, 2), "float32")]


def _fit(model: keras.Model, epochs: int = 1) -> None:
    model.fit(X, Y, batch_size=2, epochs=epochs, shuffle=False, verbose=0)


def _steps(model: keras.Model) -> set[float]:
    found = gates(model)
    assert len(found) == 6
    return {_step(gate) for gate in found}


def test_steps_survive_save_load_resume_and_clone(tmp_path: Path) -> None:
    """No callback: three batches an epoch, and a resumed run goes on from there."""
    keras.utils.set_random_seed(3)
    model = _model()
    # A few steps each, of five models: tracing them would take ten times as long.
    model.compile("adam", ["mse", "mse"], run_eagerly=True)
    _fit(model)
    assert _steps(model) == {3.0}
    model.predict(X, verbose=0), model.evaluate(X, Y, verbose=0)
    assert _steps(model) == {3.0}
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert _steps(again) == {3.0}
    ours = [float(value) for value in model.losses]
    np.testing.assert_allclose([float(v) for v in again.losses], ours, rtol=1e-6)
    clone = keras.models.clone_model(model)
    assert _steps(clone) == {0.0}
    clone.set_weights(model.get_weights())
    assert _steps(clone) == {3.0}
    _fit(again, epochs=2)
    assert _steps(again) == {9.0} and _steps(model) == {3.0}
