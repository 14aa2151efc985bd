"""Law 2 for the LSTM: a closed neuron keeps h and c at exactly 0.0."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import layers
from tests.laws.masked_cases import (
    array,
    copy_weights,
    gates,
    own_weights,
    randomize,
    run,
    set_logits,
)
from tests.reference.lstm import masked_lstm

UNITS, INPUTS, STEPS = 5, 3, 6
KEEP = np.array([True, False, True, False, True])
SEQUENCES = np.random.default_rng(3).normal(size=(2, STEPS, INPUTS)).astype("float32")


def _lstm(kind: str, **arguments: Any) -> Any:
    gating = {"input_estimator": "hard_concrete", "hidden_estimator": "hard_concrete"}
    of_cell = {"recurrent_dropout", "dropout"} & set(arguments)
    if kind == "layer":
        layer = layers.MaskedLSTM(UNITS, **gating, **arguments)
    else:
        in_cell = {name: arguments.pop(name) for name in of_cell}
        cell = layers.MaskedLSTMCell(UNITS, **gating, **in_cell)
        layer = keras.layers.RNN(cell, **arguments)
    layer.build((2, STEPS, INPUTS))
    randomize(layer)
    for state in getattr(layer, "states", None) or []:
        state.assign(np.zeros(state.shape, "float32"))
    return layer


both_kinds = pytest.mark.parametrize("kind", ["layer", "cell"])


@both_kinds
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        {"return_sequences": True},
        {"return_sequences": True, "go_backwards": True},
        {"return_sequences": True, "stateful": True},
        {"return_sequences": True, "dropout": 0.4},
        {"return_sequences": True, "recurrent_dropout": 0.4},
    ],
    ids=lambda a: "-".join(a),
)
def test_lstm_closed_neuron_keeps_h_and_c_exactly_zero(
    kind: str, arguments: dict[str, Any], training: bool
) -> None:
    layer = _lstm(kind, return_state=True, **arguments)
    gates(layer)[-1].set_keep(KEEP)
    rng = np.random.default_rng(5)
    given = [rng.normal(size=(2, UNITS)).astype("float32") for _ in range(2)]
    initial = None if "stateful" in arguments else given
    results = layer(SEQUENCES, initial_state=initial, training=training)
    for tensor in results:  # sequences of h, then h, then c
        value = array(tensor)
        assert np.all(value[..., ~KEEP] == 0.0)
        assert np.all(value[..., KEEP] != 0.0)


@both_kinds
def test_lstm_closed_neuron_stays_zero_through_skipped_steps(kind: str) -> None:
    layer = _lstm(kind, return_sequences=True)
    gates(layer)[-1].set_keep(KEEP)
    x = SEQUENCES.copy()
    x[0, 2:4] = 0.0
    x[1, :2] = 0.0
    outputs = array(layer(keras.layers.Masking()(x)))
    assert np.all(outputs[..., ~KEEP] == 0.0)
    assert np.array_equal(outputs[0, 2], outputs[0, 1])  # the mask did skip
    assert np.any(outputs[1, -1, KEEP] != 0.0)


@both_kinds
def test_lstm_closed_neuron_does_not_reach_the_open_ones(kind: str) -> None:
    layer = _lstm(kind, return_sequences=True)
    gates(layer)[-1].set_keep(KEEP)
    before = array(layer(SEQUENCES))
    closed = np.tile(~KEEP, 4)
    for weight in own_weights(layer):
        value = array(weight)
        value[..., closed] += 3.0  # its columns and its bias
        if weight.name == "recurrent_kernel":
            value[~KEEP] -= 5.0  # its rows
        weight.assign(value)
    assert np.array_equal(array(layer(SEQUENCES)), before)


@both_kinds
def test_lstm_closed_input_neuron_is_not_heard(kind: str) -> None:
    layer = _lstm(kind)
    keep = np.array([True, False, True])
    gates(layer)[0].set_keep(keep)
    louder = SEQUENCES.copy()
    louder[..., ~keep] += 1e3
    assert np.array_equal(array(layer(SEQUENCES)), array(layer(louder)))
    louder[..., keep] += 1.0
    assert not np.allclose(array(layer(SEQUENCES)), array(layer(louder)))


def test_lstm_stateful_layer_carries_its_states_and_closed_ones_stay_zero() -> None:
    layer = _lstm("layer", stateful=True, return_sequences=True)
    plain = keras.layers.LSTM(UNITS, stateful=True, return_sequences=True)
    plain.build((2, STEPS, INPUTS))
    for gate in gates(layer):
        gate.set_keep(np.ones(gate.mask_shape, bool))
    copy_weights(layer, plain)
    for _ in range(3):
        assert np.array_equal(array(layer(SEQUENCES)), array(plain(SEQUENCES)))
    # Closed after it has run: what the states hold by then must not come back.
    gates(layer)[-1].set_keep(KEEP)
    assert np.all(array(layer(SEQUENCES))[..., ~KEEP] == 0.0)


@both_kinds
@pytest.mark.parametrize("fractional", [False, True])
def test_lstm_equals_its_numpy_oracle(kind: str, fractional: bool) -> None:
    """Masks z and s on their own axes: inputs and neurons differ in number."""
    layer = _lstm(kind, return_sequences=True)
    z_logits = [4.0, -4.0, 0.5] if fractional else [4.0, -4.0, 4.0]
    s_logits = [4.0, -4.0, 1.0, -0.3, 4.0] if fractional else [4, -4, 4, -4, 4]
    for gate, logits in zip(gates(layer), (z_logits, s_logits), strict=True):
        set_logits(gate, np.array(logits))
    z, s = (array(gate.inference_mask()).astype("float64") for gate in gates(layer))
    assert fractional == bool(np.any((s > 0) & (s < 1)))
    weights = [array(w).astype("float64") for w in own_weights(layer)]
    rng = np.random.default_rng(5)
    initial = [rng.normal(size=(2, UNITS)) for _ in range(2)]
    expected = masked_lstm(SEQUENCES.astype("float64"), *weights, z, s, tuple(initial))
    given = [state.astype("float32") for state in initial]
    ours = array(layer(SEQUENCES, initial_state=given))
    np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.parametrize("training", [False, True])
def test_lstm_cell_equals_layer(training: bool) -> None:
    cell, layer = _lstm("cell"), _lstm("layer")
    copy_weights(cell, layer)
    for ours, theirs in zip(gates(cell), gates(layer), strict=True):
        logits = np.linspace(-1.0, 1.0, ours.units)
        set_logits(ours, logits), set_logits(theirs, logits)
        seed = keras.ops.convert_to_numpy(ours.seed_generator.state.value)
        theirs.seed_generator.state.assign(seed)
    for _ in range(2):
        np.testing.assert_allclose(
            run(cell, SEQUENCES, training), run(layer, SEQUENCES, training), atol=1e-6
        )


def test_numpy_oracle_shows_the_leak_of_a_live_bias() -> None:
    """The case of the paper's text: kernel masks alone leave h at 0.73."""
    bias = np.array([1.0, 3.0, 0.2, 1.0])
    x, open_all = np.zeros((1, 200, 1)), np.ones(1)
    none = np.zeros((1, 4))
    leaking = masked_lstm(x, none, none, bias, open_all, open_all)
    np.testing.assert_allclose(leaking[0, -1, 0], 0.73, atol=0.005)
    masked = masked_lstm(x, none, none, bias, open_all, np.zeros(1))
    assert np.all(masked == 0.0)
