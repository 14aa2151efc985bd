"""Law 4: the cost of the gates is the integer cost of the stripped model."""

from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.costs import IN_GRAPH, Cost, gated_cost
from keras_diffmask.graph import count, trace
from keras_diffmask.masking.placement import place
from tests.laws import alive
from tests.laws.alive import CHOSEN
from tests.laws.test_law_3_strip import CLOSURES, close_wholly
from tests.laws.zoo import Entry
from tests.reference.gradients import autodiff

every_model = pytest.mark.parametrize("entry", CHOSEN, ids=str)
every_cost = pytest.mark.parametrize("name", IN_GRAPH)


def _costs(model: keras.Model) -> tuple[dict[str, Cost], list[int]]:
    """The costs that a budget on this model would hold, and the gates' sizes."""
    graph = trace(model)
    placement = place(graph)
    sizes = placement.sizes
    costs = {
        name: gated_cost(name, graph, placement.gate_of, sizes, placement.branches)
        for name in IN_GRAPH
    }
    return costs, sizes


def _integers(model: keras.Model) -> dict[str, int]:
    """Counted on the layers that there are, by their own shapes."""
    return {"macs": count(trace(model).macs()), "parameters": model.count_params()}


def _assert_one_figure(original: keras.Model, masked: keras.Model) -> None:
    costs, sizes = _costs(original)
    assert sizes == [gate.units for gate in kd.gates(masked)]
    slim, plan = export.strip(masked), export.plan(masked)
    summary = kd.summary(masked, verbose=False)
    for name, integer in _integers(slim).items():
        assert costs[name].count(alive.keeps(masked)) == integer, name
        assert getattr(plan, name)[1] == integer
        assert summary.total(name)[0] == integer
        assert getattr(plan, name)[0] == summary.total(name)[1]
        assert costs[name].dense(sizes) == _integers(original)[name]


@every_model
def test_cost_of_a_decision_is_that_of_the_stripped_model(entry: Entry) -> None:
    original, masked = alive.pair(entry.name)
    rng = np.random.default_rng(len(entry.name))
    for gate in kd.gates(masked):
        keep = rng.uniform(size=gate.units) < rng.uniform(0.2, 0.9)
        keep[rng.integers(gate.units)] = True
        gate.set_keep(keep)
    _assert_one_figure(original, masked)


@pytest.mark.parametrize(("entry", "places"), CLOSURES, ids=str)
def test_cost_of_closed_branches(entry: Entry, places: tuple[int, ...]) -> None:
    original, masked = alive.pair(entry.name)
    close_wholly(masked, places)
    _assert_one_figure(original, masked)


def test_macs_by_hand() -> None:
    """The one count that does not come from the library's own graph."""
    inputs = keras.Input((6, 5, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)  # 4 x 3 outputs of 9 x 3 taps
    x = keras.layers.Flatten()(keras.layers.BatchNormalization()(x))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    assert count(trace(model).macs()) == 4 * 3 * 4 * 27 + 48 * 2
    masked = kd.mask_model(model)
    kd.gates(masked)[0].set_keep(np.array([True, False, True, False]))
    plan = export.plan(masked)
    assert plan.macs == (4 * 3 * 4 * 27 + 48 * 2, 4 * 3 * 2 * 27 + 24 * 2)
    assert plan.parameters[1] == 2 * 28 + 4 * 2 + 24 * 2 + 2


def test_lstm_macs_by_hand() -> None:
    inputs = keras.Input((7, 3))
    model = keras.Model(inputs, keras.layers.LSTM(5)(inputs))
    assert count(trace(model).macs()) == 7 * 4 * (3 * 5 + 5 * 5)


def _fractional(sizes: list[int], seed: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.05, 0.95, size) for size in sizes]


@every_model
def test_expected_on_tensors_is_count_in_numpy(entry: Entry) -> None:
    costs, sizes = _costs(alive.pair(entry.name)[0])
    values = _fractional(sizes)
    tensors = [keras.ops.convert_to_tensor(v.astype("float32")) for v in values]
    for cost in costs.values():
        got = float(alive.array(cost.expected(tensors)))
        np.testing.assert_allclose(got, cost.count(values), rtol=2e-6)
        again = Cost.from_config(cost.get_config())
        assert again.count(values) == cost.count(values)


@every_cost
@pytest.mark.parametrize(
    "model",
    ["cnn_with_norm", "residual", "flatten_to_dense", "stacked_lstm", "lstm_in_branch"],
)
def test_expectation_by_simulation(model: str, name: str) -> None:
    """E[cost] under independent Bernoulli gates, branches closing included."""
    costs, sizes = _costs(alive.pair(model)[0])
    cost, values = costs[name], _fractional(sizes, seed=8)
    rng = np.random.default_rng(0)
    draws = np.array(
        [
            cost.count([(rng.uniform(size=v.shape) < v).astype(float) for v in values])
            for _ in range(3000)
        ]
    )
    error = abs(draws.mean() - cost.count(values))
    assert error < 4 * draws.std() / np.sqrt(len(draws))


def test_branch_of_few_units_by_simulation() -> None:
    """Whether a branch lives depends on the very units that it counts."""
    inputs = keras.Input((6,))
    x = keras.layers.Dense(4, "tanh")(inputs)
    y = keras.layers.Dense(2, "relu")(x)
    y = keras.layers.Dense(4)(keras.layers.Dense(2, "relu")(y))
    x = keras.layers.Add()([x, y])
    costs, sizes = _costs(keras.Model(inputs, keras.layers.Dense(3)(x)))
    rng = np.random.default_rng(1)
    values = [np.full(size, 0.3) for size in sizes]
    for cost in costs.values():
        draws = [
            cost.count([(rng.uniform(size=v.shape) < v).astype(float) for v in values])
            for _ in range(4000)
        ]
        error = abs(np.mean(draws) - cost.count(values))
        assert error < 4 * np.std(draws) / np.sqrt(len(draws))


def test_recurrent_kernel_shares_its_gate() -> None:
    """docs: sum_j p_j + sum_{i != j} p_i p_j, where the outer product falls short."""
    inputs = keras.Input((1, 3))
    x = keras.layers.LSTM(6, use_bias=False)(inputs)
    costs, sizes = _costs(keras.Model(inputs, keras.layers.Dense(2)(x)))
    (p,) = _fractional(sizes)
    outer = p.sum() ** 2
    diagonal_aware = p.sum() + outer - np.sum(p * p)
    expected = 4 * (3 * p.sum() + diagonal_aware) + 2 * p.sum()
    np.testing.assert_allclose(costs["macs"].count([p]), expected)
    assert diagonal_aware > outer + 0.1


@every_cost
@pytest.mark.parametrize("model", ["residual", "stacked_lstm", "shared_in_branches"])
def test_gradient_by_finite_differences(model: str, name: str) -> None:
    costs, sizes = _costs(alive.pair(model)[0])
    cost, values = costs[name], _fractional(sizes)
    gradients = _gradient(cost, values)
    step = 1e-4
    for gate, gradient in enumerate(gradients):
        for unit in range(0, len(gradient), 3):
            ends = []
            for sign in (1, -1):
                moved = [v.copy() for v in values]
                moved[gate][unit] += sign * step
                ends.append(cost.count(moved))
            slope = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(gradient[unit], slope, rtol=1e-4)
            assert slope > 0


def _gradient(cost: Cost, values: list[np.ndarray]) -> list[np.ndarray]:
    ends = np.cumsum([len(v) for v in values])[:-1].tolist()

    def of_all(vector: Any) -> Any:
        return cost.expected(keras.ops.split(vector, ends))

    return np.split(autodiff(of_all, np.concatenate(values)), ends)


RECURRENT = {"units": 8, "activation": "sigmoid"}  # which keeps them from being cut


def _in_time() -> keras.Model:
    inputs = keras.Input((6, 4))
    x = keras.layers.Dense(3)(keras.layers.LSTM(8)(inputs))
    return keras.Model(inputs, x)


def _stack() -> keras.layers.Layer:
    cells = [keras.layers.LSTMCell(8), keras.layers.LSTMCell(8)]
    return keras.layers.Bidirectional(keras.layers.RNN(cells))


layers = keras.layers
#: Input, layer that nothing is cut from, its multiply-accumulates by hand.
WHOLE = {
    "gru": ((6, 4), lambda: layers.GRU(**RECURRENT), 6 * (4 + 8) * 24),
    "bidirectional": (
        (6, 4),
        lambda: layers.Bidirectional(layers.GRU(**RECURRENT)),
        2 * 6 * (4 + 8) * 24,
    ),
    "stack": ((6, 4), _stack, 2 * 6 * (4 + 8 + 8 + 8) * 32),
    "lstm in time": (
        (3, 6, 4),
        lambda: layers.TimeDistributed(layers.LSTM(8)),
        3 * 6 * (4 + 8) * 32,
    ),
    "model in time": (
        (3, 6, 4),
        lambda: layers.TimeDistributed(_in_time()),
        3 * (6 * (4 + 8) * 32 + 8 * 3),
    ),
    "conv lstm": (
        (4, 6, 6, 2),
        lambda: layers.ConvLSTM2D(5, 3),
        4 * 16 * 9 * (2 + 5) * 20,
    ),
    "channels first": (
        (3, 6, 5),
        lambda: layers.SeparableConv2D(7, 3, data_format="channels_first"),
        4 * 3 * (9 * 3 + 3 * 7),
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_macs_by_hand_of_what_is_not_cut(name: str) -> None:
    shape, make, expected = WHOLE[name]
    inputs = keras.Input(shape)
    summary = kd.summary(keras.Model(inputs, make()(inputs)), verbose=False)
    assert summary.total("macs") == (expected, expected) and not summary.uncounted


def test_layers_without_a_count_are_named() -> None:
    inputs = keras.Input((5, 8))
    x = layers.Attention(name="by_hand")([inputs, inputs])
    model = keras.Model(inputs, layers.Dense(2)(layers.Dropout(0.1)(x)))
    summary, plan = kd.summary(model, verbose=False), export.plan(model)
    assert summary.uncounted == plan.uncounted == ("by_hand",)
    line = "MACs without those of by_hand: no rule of the library counts them."
    assert line in str(summary) and line in str(plan)
    product = keras.Model(inputs, keras.ops.matmul(inputs, layers.Permute((2, 1))(x)))
    assert kd.summary(product, verbose=False).total("macs")[0] == 5 * 8 * 5
