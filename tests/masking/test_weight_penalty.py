"""L0 on a masked model: the expected number of weights, by every pattern there is."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.regularizers import L0
from keras_diffmask.schedules import Linear
from tests.laws.alive import array
from tests.laws.masked_cases import set_logits
from tests.laws.test_law_5_round_trip import TRIPS
from tests.reference.gradients import autodiff

STRENGTH = 0.25
Patterns = dict[str, np.ndarray]


def _tokens() -> keras.Model:
    """A table, two LSTM layers and a Dense layer; the table is the softmax's too."""
    inputs = keras.Input((3,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(5, 2, name="table")
    x = keras.layers.LSTM(3, return_sequences=True, name="one")(table(inputs))
    x = keras.layers.LSTM(2, name="two")(x)
    x = keras.layers.Dense(2, use_bias=False, name="back")(x)
    return keras.Model(inputs, table(x, reverse=True))


def _of_tokens(open_: Patterns) -> int:
    width, one, two = (int(open_[f"{n}_gate"].sum()) for n in ("back", "one", "two"))
    count = 5 * width
    for inputs, units in ((width, one), (one, two)):
        count += 4 * (inputs * units + units * units + units)
    return count + two * width


def _stacked() -> keras.Model:
    inputs = keras.Input((3, 2))
    x = keras.layers.LSTM(3, return_sequences=True, name="one")(inputs)
    x = keras.layers.LSTM(2, name="two")(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="head")(x))


def _of_stacked(open_: Patterns) -> int:
    one, two = (int(open_[f"{n}_gate"].sum()) for n in ("one", "two"))
    count = 4 * (2 * one + one * one + one) + 4 * (one * two + two * two + two)
    return count + two * 4


def _skip() -> keras.Model:
    """Normalized, flattened at the end, and a branch that may go whole."""
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(3, 3, padding="same", name="stem")(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    y = keras.layers.Conv2D(2, 3, padding="same", activation="relu", name="inner")(x)
    y = keras.layers.Conv2D(3, 1, name="outer")(y)
    x = keras.layers.Flatten()(keras.layers.Add()([x, y]))
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))


def _of_skip(open_: Patterns) -> int:
    trunk, inner = (int(open_[f"{n}_gate"].sum()) for n in ("stem", "inner"))
    count = trunk * (9 * 2 + 1) + 4 * trunk
    if inner:  # else the whole branch is gone, the bias of its last layer too
        count += inner * (9 * trunk + 1) + trunk * (inner + 1)
    return count + 2 * 16 * trunk


CASES: dict[str, tuple[Callable[[], keras.Model], Callable[[Patterns], int]]] = {
    "tokens": (_tokens, _of_tokens),
    "stacked": (_stacked, _of_stacked),
    "skip": (_skip, _of_skip),
}


def _masked(name: str, strength: Any = STRENGTH, **more: Any) -> kd.MaskedModel:
    keras.utils.set_random_seed(0)
    model = kd.mask_model(CASES[name][0](), gate_regularizer=L0(strength), **more)
    for seed, gate in enumerate(kd.gates(model)):
        rng = np.random.default_rng(seed)
        set_logits(gate, rng.uniform(-2.5, 0.5, gate.mask_shape))
        p = array(gate.keep_probability())
        assert np.all((p > 0.1) & (p < 0.95)), "nothing is left to chance"
    return model


def _probabilities(model: keras.Model) -> dict[str, np.ndarray]:
    return {g.name: array(g.keep_probability()).astype(float) for g in kd.gates(model)}


def _expected(name: str, probabilities: dict[str, np.ndarray]) -> float:
    """The mean of the count over all 2^n patterns, each with its probability."""
    sizes = [p.size for p in probabilities.values()]
    flat = np.concatenate(list(probabilities.values()))
    total = 0.0
    for bits in itertools.product((False, True), repeat=flat.size):
        pattern = np.array(bits)
        chance = np.prod(np.where(pattern, flat, 1.0 - flat))
        parts = np.split(pattern, np.cumsum(sizes)[:-1])
        total += chance * CASES[name][1](dict(zip(probabilities, parts, strict=True)))
    return total


def _inputs(model: keras.Model) -> np.ndarray:
    (tensor,) = model.inputs
    return np.ones((4, *tensor.shape[1:]), tensor.dtype)


def _penalty(model: keras.Model, training: bool = False) -> float:
    model(_inputs(model), training=training)
    (loss,) = model.losses
    return float(loss)


@pytest.mark.parametrize("name", CASES)
def test_penalty_is_the_mean_count_over_all_patterns(name: str) -> None:
    model = _masked(name)
    expected = STRENGTH * _expected(name, _probabilities(model))
    for training in (True, False, True):  # once per call of the model, not per gate
        np.testing.assert_allclose(_penalty(model, training), expected, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_penalty_of_a_decision_is_the_count_of_the_stripped_model(name: str) -> None:
    """Beside what no gate has a part in: the bias of the head."""
    model = _masked(name)
    for gate in kd.gates(model):
        gate.set_keep(np.arange(gate.units) > 0)
    head = [layer for layer in model.layers if layer.name == "head"]
    slim = export.strip(model)
    left = slim.count_params() - sum(layer.bias.shape[0] for layer in head)
    np.testing.assert_allclose(_penalty(model), STRENGTH * left, rtol=1e-6)


def test_gradient_by_finite_differences_of_the_mean_count() -> None:
    """Each gate is pushed by all weights that lie under it, of whatever layer."""
    name = "skip"
    model = _masked(name)
    (layer,) = [x for x in model.layers if "weight_penalty" in x.name]
    probabilities = _probabilities(model)
    ends = np.cumsum([p.size for p in probabilities.values()])[:-1].tolist()
    gradient = autodiff(
        lambda v: layer.cost.expected(keras.ops.split(v, ends)),
        np.concatenate(list(probabilities.values())),
    )
    slopes, step = [], 1e-5
    for gate, values in probabilities.items():
        for unit in range(values.size):
            sides = []
            for sign in (1.0, -1.0):
                moved = {k: v.copy() for k, v in probabilities.items()}
                moved[gate][unit] += sign * step
                sides.append(_expected(name, moved))
            slopes.append((sides[0] - sides[1]) / (2 * step))
    np.testing.assert_allclose(gradient, slopes, rtol=1e-4)


def test_lstm_counts_as_the_layer_with_a_gate_of_its_own() -> None:
    """Of the last LSTM: what the head reads comes on top."""
    inputs = keras.Input((3, 2))
    x = keras.layers.LSTM(4, name="lstm")(inputs)
    model = kd.mask_model(
        keras.Model(inputs, keras.layers.Dense(5, name="head")(x)),
        gate_regularizer=L0(STRENGTH),
    )
    own = kd.layers.MaskedLSTM(4, gate_regularizer=L0(STRENGTH))
    own.build((None, 3, 2))
    logits = np.array([1.0, -0.5, 0.3, 2.0])
    (gate,) = kd.gates(model)
    set_logits(gate, logits), set_logits(own.hidden_gate, logits)
    (ours,) = (float(value) for value in own.losses)
    read = 5 * array(gate.keep_probability()).sum()
    np.testing.assert_allclose(_penalty(model), ours + STRENGTH * read, rtol=1e-5)


@pytest.mark.parametrize("trip", TRIPS)
def test_penalty_survives(trip: str, tmp_path: Path) -> None:
    model = _masked("stacked", Linear(0.0, STRENGTH, steps=4))
    model.compile("sgd", "mse")
    y = np.zeros((4, 4), "float32")
    model.fit(_inputs(model), y, batch_size=2, verbose=0)
    back = TRIPS[trip](model, tmp_path)
    # Two of the ramp's steps are done: the strength is that of the second, a quarter.
    expected = STRENGTH / 4 * _expected("stacked", _probabilities(model))
    for one in (model, back):
        np.testing.assert_allclose(_penalty(one), expected, rtol=1e-5)
    # And they count on in the copy.
    back(_inputs(back), training=True)
    np.testing.assert_allclose(_penalty(back), 2 * expected, rtol=1e-5)
    for gate in kd.gates(back):
        gate.set_keep(np.ones(gate.mask_shape, bool))
    assert _penalty(back) > 2.4 * _penalty(model)
    json.dumps(back.get_config())


def test_fit_and_evaluate_add_it_once_and_it_closes_gates() -> None:
    model = _masked("stacked", 0.5)
    model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    x, y = _inputs(model), np.zeros((4, 4), "float32")
    plain = float(np.mean(array(model(x)) ** 2))
    expected = plain + 0.5 * _expected("stacked", _probabilities(model))
    loss = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert all(gate.regularizer is None for gate in kd.gates(model))
    model.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
    before = _probabilities(model)
    model.fit(x, y, epochs=3, verbose=0)
    after = _probabilities(model)
    assert all(np.all(after[name] < before[name]) for name in before)


def test_penalty_that_asks_more_of_a_gate_stays_with_it() -> None:
    scales = kd.mask_model(
        _stacked(), "differentiable_mask", gate_regularizer=kd.regularizers.L1(0.1)
    )
    assert all(gate.regularizer is not None for gate in kd.gates(scales))
    by_weight = kd.mask_model(
        _stacked(), granularity="weight", gate_regularizer=L0(0.1)
    )
    assert all(gate.regularizer is not None for gate in kd.gates(by_weight))


def test_branches_count_what_goes_with_them() -> None:
    model = _masked("skip", granularity="branch")
    (gate,) = kd.gates(model)
    p = float(array(gate.keep_probability())[0])
    of_branch = 2 * (9 * 3 + 1) + 3 * (2 + 1)
    np.testing.assert_allclose(_penalty(model), STRENGTH * p * of_branch, rtol=1e-5)


def test_the_stripped_model_knows_nothing_of_it() -> None:
    model = _masked("skip")
    slim = export.strip(model)
    assert not any("penalty" in layer.name for layer in slim.layers)
    assert not slim.losses


def test_gates_between_constant_matrices_have_no_weights() -> None:
    inputs = keras.Input((4,))
    matrix = np.random.default_rng(0).normal(size=(4, 4)).astype("float32")
    x = keras.ops.relu(keras.ops.matmul(inputs, matrix))
    outputs = keras.ops.matmul(x, matrix)
    model = kd.mask_model(keras.Model(inputs, outputs), gate_regularizer=L0(1.0))
    assert len(kd.gates(model)) == 1 and _penalty(model) == 0.0
