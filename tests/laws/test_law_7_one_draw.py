"""Law 7: noise is drawn once per gate and step, never per time step of an RNN."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import estimators, layers
from tests.laws.masked_cases import array, gates, own_weights, randomize, set_logits
from tests.reference.lstm import masked_lstm

UNITS, STEPS = 16, 9


class AlwaysTraining(keras.Model):
    """Runs a layer in training mode inside of the compiled `predict`."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.layer(inputs, training=True)


def _layer(kind: str) -> Any:
    noisy = estimators.StraightThrough(bernoulli=True, initial_keep=0.6)
    arguments = {"input_estimator": noisy, "hidden_estimator": noisy}
    if kind == "layer":
        layer = layers.MaskedLSTM(UNITS, return_sequences=True, **arguments)
    elif kind == "cell":
        cell = layers.MaskedLSTMCell(UNITS, **arguments)
        layer = keras.layers.RNN(cell, return_sequences=True)
    elif kind == "bidirectional":
        inner = layers.MaskedGRU(UNITS, return_sequences=True, **arguments)
        layer = keras.layers.Bidirectional(inner)
    else:
        last = (
            layers.MaskedLSTMCell if kind == "stacked LSTMs" else layers.MaskedGRUCell
        )
        kinds = ((layers.MaskedLSTMCell, 3), (last, UNITS))
        cells = [cell(units, **arguments) for cell, units in kinds]
        layer = keras.layers.RNN(cells, return_sequences=True)
    layer.build((2, STEPS, 3))
    randomize(layer)
    for gate in gates(layer):
        set_logits(gate, 0.2)
    return layer


def _open_units(sequences: np.ndarray) -> np.ndarray:
    """(steps, units): h of a closed unit is exactly 0, that of an open one is not."""
    return np.any(array(sequences) != 0.0, axis=0)


X = np.random.default_rng(0).normal(size=(2, STEPS, 3)).astype("float32")


@pytest.mark.parametrize("kind", ["layer", "cell", "stacked", "bidirectional"])
@pytest.mark.parametrize("compiled", [False, True])
def test_one_mask_serves_all_time_steps_and_the_next_batch_has_another(
    kind: str, compiled: bool
) -> None:
    layer = _layer(kind)
    model = AlwaysTraining(layer)
    model.compile()
    patterns = []
    for _ in range(4):
        outputs = model.predict_on_batch(X) if compiled else layer(X, training=True)
        by_step = _open_units(outputs)
        assert np.all(by_step == by_step[0])
        patterns.append(by_step[0])
    assert any(not np.array_equal(p, patterns[0]) for p in patterns[1:])
    assert any(0 < p.sum() < len(p) for p in patterns)


@pytest.mark.parametrize("kind", ["layer", "cell"])
def test_each_gate_samples_once_per_batch(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    sample = estimators.StraightThrough.sample

    def counting(self: Any, logits: Any, seed: Any, step: Any = 0.0) -> Any:
        drawn.append(tuple(logits.shape))
        return sample(self, logits, seed, step)

    layer = _layer(kind)
    monkeypatch.setattr(estimators.StraightThrough, "sample", counting)
    layer(X, training=True)
    assert sorted(drawn) == [(3,), (UNITS,)]
    layer(X, training=False)
    assert len(drawn) == 2


@pytest.mark.parametrize("kind", ["layer", "cell"])
def test_inference_after_training_takes_the_decision(kind: str) -> None:
    """Nothing of a training mask may linger in the layer."""
    layer = _layer(kind)
    before = array(layer(X))
    layer(X, training=True)
    assert np.array_equal(array(layer(X)), before)


# -- brute force: which masks explain the outputs? ---------------------------------


def _patterns(size: int) -> list[np.ndarray]:
    return [np.array(bits, float) for bits in itertools.product((0, 1), repeat=size)]


def _explanations(
    layer: Any, kind: str, outputs: np.ndarray
) -> list[tuple[float, float]]:
    """Per pattern of the gates, how far NumPy is off in either half of the steps."""
    weights = [array(weight).astype(float) for weight in own_weights(layer)]
    s = _open_units(outputs)[0].astype(float)
    sequences = [X.astype(float)]
    if kind == "stacked LSTMs":
        sequences = [
            masked_lstm(X.astype(float), *weights[:3], z, hidden)
            for z, hidden in itertools.product(_patterns(3), _patterns(3))
        ]
    found = []
    for x, z in itertools.product(sequences, _patterns(3)):
        error = np.abs(masked_lstm(x, *weights[-3:], z, s) - outputs)
        found.append((error[:, :4].max(), error[:, 4:].max()))
    return found


@pytest.mark.parametrize("kind", ["layer", "cell", "stacked LSTMs"])
@pytest.mark.parametrize("compiled", [False, True])
def test_one_pattern_of_all_gates_explains_every_time_step(
    kind: str, compiled: bool
) -> None:
    """Input gates leave no zeros behind: every pattern they can have is tried."""
    layer = _layer(kind)
    model = AlwaysTraining(layer)
    model.compile()
    for _ in range(3):
        outputs = model.predict_on_batch(X) if compiled else layer(X, training=True)
        found = _explanations(layer, kind, array(outputs))
        best = min(found, key=max)
        assert max(best) < 1e-5
        # Other patterns do not: the test would see a draw of its own per step.
        assert max(error for error, _ in found) > 1e-2
        assert max(error for _, error in found) > 1e-2


def test_columns_of_an_embedding_are_closed_for_all_tokens_alike() -> None:
    noisy = estimators.StraightThrough(bernoulli=True, initial_keep=0.6)
    layer = layers.MaskedEmbedding(7, UNITS, estimator=noisy)
    tokens = np.arange(14).reshape(2, 7) % 7
    layer(tokens)
    randomize(layer)
    set_logits(layer.gate, 0.2)
    patterns = []
    for _ in range(4):
        by_token = array(layer(tokens, training=True)).reshape(-1, UNITS) != 0.0
        assert np.all(by_token == by_token[0])
        patterns.append(by_token[0])
    assert any(not np.array_equal(p, patterns[0]) for p in patterns[1:])


def test_a_masked_model_draws_once_per_gate_for_all_its_readers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A table that the softmax uses too, and what reads it, under one draw."""
    inputs = keras.Input((STEPS,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(9, 5, name="table")
    x = keras.layers.LSTM(6, return_sequences=True, name="one")(table(inputs))
    x = keras.layers.LSTM(5, return_sequences=True, name="two")(x)
    noisy = estimators.StraightThrough(bernoulli=True, initial_keep=0.6)
    model = kd.mask_model(keras.Model(inputs, table(x, reverse=True)), noisy)
    drawn = []
    sample = estimators.StraightThrough.sample

    def counting(self: Any, logits: Any, seed: Any, step: Any = 0.0) -> Any:
        drawn.append(tuple(logits.shape))
        return sample(self, logits, seed, step)

    monkeypatch.setattr(estimators.StraightThrough, "sample", counting)
    model(np.zeros((2, STEPS), "int32"), training=True)
    assert sorted(drawn) == [(5,), (6,)]


# -- called several times in one step ----------------------------------------------


class TwoDraws(estimators.StraightThrough):
    """An estimator of somebody's own, with more noise than one draw."""

    def sample(self, logits: Any, seed: Any, step: Any = 0.0) -> Any:
        first = super().sample(logits, seed, step)
        return first * super().sample(logits, seed, step)


NOISY = {
    "one draw": estimators.StraightThrough(bernoulli=True, initial_keep=0.6),
    "two draws": TwoDraws(bernoulli=True, initial_keep=0.6),
}


def _called_twice(kind: str, noisy: Any) -> keras.Model:
    """What two calls of one thing give, side by side."""
    inputs = keras.Input((3,))
    if kind == "layer":
        called = layers.MaskedDense(UNITS, estimator=noisy, use_bias=False)
        gate = called
    else:
        hidden = keras.layers.Dense(UNITS, use_bias=False)(inputs)
        model = keras.Model(inputs, keras.layers.Dense(4)(hidden))
        called = kd.mask_model(model, noisy, budget=kd.Budget(macs=0.5))
    model = keras.Model(inputs, [called(inputs), called(inputs)])
    for gate in gates(model):
        set_logits(gate, 0.2)
    return model


@pytest.mark.parametrize("noise", NOISY)
@pytest.mark.parametrize("kind", ["layer", "model"])
@pytest.mark.parametrize("compiled", [False, True])
def test_all_calls_of_a_step_are_under_one_mask(
    kind: str, noise: str, compiled: bool
) -> None:
    model = _called_twice(kind, NOISY[noise])
    always = AlwaysTraining(model)
    always.compile()
    x, seen = np.ones((2, 3), "float32"), []
    for _ in range(4):
        one, other = always.predict_on_batch(x) if compiled else always(x)
        assert np.array_equal(array(one), array(other))
        seen.append(array(one))
    assert any(not np.array_equal(one, seen[0]) for one in seen[1:])


class Sum(keras.losses.Loss):
    """A loss that is the output's."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.sum(y_pred)


def _trained(calls: int) -> tuple[list[float], dict[str, float]]:
    """The losses of a few steps, and the states of what was called so often."""
    keras.utils.set_random_seed(5)
    ramp = kd.schedules.Linear(0.1, 1.0, steps=3)
    cooling = estimators.HardConcrete(temperature=kd.schedules.Linear(1.0, 0.5, 3))
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(UNITS, "relu")(inputs)
    called = kd.mask_model(
        keras.Model(inputs, keras.layers.Dense(4)(hidden)),
        cooling,
        budget=kd.Budget(macs=0.3),
        gate_regularizer=kd.regularizers.L0(ramp),
    )
    outputs = [called(inputs) for _ in range(calls)]
    model = keras.Model(inputs, sum(outputs[1:], outputs[0]) / calls)
    model.compile(keras.optimizers.SGD(1e-3), Sum())
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    losses = [float(model.train_on_batch(x, x)) for _ in range(4)]
    states = {v.path: array(v) for v in called.variables}
    states |= {one.name: array(one.seed_generator.state) for one in kd.gates(called)}
    return losses, {path: value.sum() for path, value in states.items()}


def test_a_step_counts_once_however_often_a_model_is_called() -> None:
    """The mean of a function with itself trains as the function by itself."""
    losses, states = _trained(calls=1)
    again, others = _trained(calls=3)
    np.testing.assert_allclose(again, losses, rtol=1e-4)
    for (path, value), other in zip(states.items(), others.values(), strict=True):
        np.testing.assert_allclose(other, value, rtol=1e-4, atol=1e-5, err_msg=path)
    assert len({round(loss, 3) for loss in losses}) == 4
