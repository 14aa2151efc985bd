"""Law 2 for recurrent layers: a closed neuron keeps h (and c) at exactly 0.0."""

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
from tests.reference.gru import masked_gru, masked_simple_rnn
from tests.reference.lstm import masked_lstm

UNITS, INPUTS, STEPS = 5, 3, 6
KEEP = np.array([True, False, True, False, True])
SEQUENCES = np.random.default_rng(3).normal(size=(2, STEPS, INPUTS)).astype("float32")


#: Name -> layer, cell, what else they are given, and how many states they have.
FAMILIES: dict[str, tuple[Any, Any, dict[str, Any], int]] = {
    "lstm": (layers.MaskedLSTM, layers.MaskedLSTMCell, {}, 2),
    "gru": (layers.MaskedGRU, layers.MaskedGRUCell, {}, 1),
    "gru_before": (
        layers.MaskedGRU,
        layers.MaskedGRUCell,
        {"reset_after": False},
        1,
    ),
    "rnn": (layers.MaskedSimpleRNN, layers.MaskedSimpleRNNCell, {}, 1),
}
ORACLES = {
    "lstm": masked_lstm,
    "gru": masked_gru,
    "gru_before": masked_gru,
    "rnn": masked_simple_rnn,
}


def _made(family: str, kind: str, **arguments: Any) -> Any:
    layer_class, cell_class, more, _ = FAMILIES[family]
    gating = {"input_estimator": "hard_concrete", "hidden_estimator": "hard_concrete"}
    of_cell = {"recurrent_dropout", "dropout"} & set(arguments)
    if kind == "layer":
        layer = layer_class(UNITS, **gating, **more, **arguments)
    else:
        in_cell = {name: arguments.pop(name) for name in of_cell}
        layer = keras.layers.RNN(
            cell_class(UNITS, **gating, **more, **in_cell), **arguments
        )
    layer.build((2, STEPS, INPUTS))
    randomize(layer)
    for state in getattr(layer, "states", None) or []:
        state.assign(np.zeros(state.shape, "float32"))
    return layer


def _states(family: str, seed: int = 5) -> list[np.ndarray]:
    rng, count = np.random.default_rng(seed), FAMILIES[family][-1]
    return [rng.normal(size=(2, UNITS)).astype("float32") for _ in range(count)]


#: Beside TensorFlow every call compiles its loop anew: two families are enough.
SOME = list(FAMILIES)[: 4 if keras.backend.backend() == "tensorflow" else 2]

every_family = pytest.mark.parametrize("family", SOME)
both_kinds = pytest.mark.parametrize("kind", ["layer", "cell"])


#: Each way to run a sequence with each family that has a text of its own for it.
WAYS = [
    (family, way)
    for family, ways in {
        "lstm": ("", "go_backwards", "stateful", "dropout", "recurrent_dropout"),
        "gru": ("", "go_backwards", "stateful", "recurrent_dropout"),
        "gru_before": ("recurrent_dropout",),
        "rnn": ("stateful", "dropout"),
    }.items()
    for way in ways
    if family in SOME
]


@both_kinds
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("family", "way"), WAYS)
def test_closed_neuron_keeps_its_states_exactly_zero(
    family: str, way: str, kind: str, training: bool
) -> None:
    value = 0.4 if "dropout" in way else True
    arguments = {"return_sequences": True, **({way: value} if way else {})}
    layer = _made(family, kind, return_state=True, **arguments)
    gates(layer)[-1].set_keep(KEEP)
    initial = None if "stateful" in arguments else _states(family)
    results = layer(SEQUENCES, initial_state=initial, training=training)
    assert len(results) == 1 + FAMILIES[family][-1]
    for tensor in results:  # sequences of h, then h, then c if there is one
        value = array(tensor)
        assert np.all(value[..., ~KEEP] == 0.0)
        assert np.all(value[..., KEEP] != 0.0)


@both_kinds
@every_family
def test_closed_neuron_stays_zero_through_skipped_steps(family: str, kind: str) -> None:
    layer = _made(family, kind, return_sequences=True)
    gates(layer)[-1].set_keep(KEEP)
    x = SEQUENCES.copy()
    x[0, 2:4] = 0.0
    x[1, :2] = 0.0
    outputs = array(layer(keras.layers.Masking()(x)))
    assert np.all(outputs[..., ~KEEP] == 0.0)
    assert np.array_equal(outputs[0, 2], outputs[0, 1])  # the mask did skip
    assert np.any(outputs[1, -1, KEEP] != 0.0)


@both_kinds
@every_family
def test_closed_neuron_does_not_reach_the_open_ones(family: str, kind: str) -> None:
    layer = _made(family, kind, return_sequences=True)
    gates(layer)[-1].set_keep(KEEP)
    before = array(layer(SEQUENCES))
    for weight in own_weights(layer):
        value = array(weight)
        closed = np.tile(~KEEP, value.shape[-1] // UNITS)
        value[..., closed] += 3.0  # its columns and its bias
        if weight.name == "recurrent_kernel":
            value[~KEEP] -= 5.0  # its rows
        weight.assign(value)
    assert np.array_equal(array(layer(SEQUENCES)), before)


@both_kinds
@every_family
def test_closed_input_neuron_is_not_heard(family: str, kind: str) -> None:
    layer = _made(family, kind)
    keep = np.array([True, False, True])
    gates(layer)[0].set_keep(keep)
    louder = SEQUENCES.copy()
    louder[..., ~keep] += 1e3
    assert np.array_equal(array(layer(SEQUENCES)), array(layer(louder)))
    louder[..., keep] += 1.0
    assert not np.allclose(array(layer(SEQUENCES)), array(layer(louder)))


@every_family
def test_stateful_layer_carries_its_states_and_closed_ones_stay_zero(
    family: str,
) -> None:
    layer = _made(family, "layer", stateful=True, return_sequences=True)
    plain = layer.stock_class(
        UNITS, stateful=True, return_sequences=True, **FAMILIES[family][2]
    )
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
@pytest.mark.parametrize("family", FAMILIES)
def test_layer_equals_its_numpy_oracle(
    family: str, kind: str, fractional: bool
) -> None:
    """Masks z and s on their own axes: inputs and neurons differ in number."""
    layer = _made(family, kind, return_sequences=True)
    z_logits = [4.0, -4.0, 0.5] if fractional else [4.0, -4.0, 4.0]
    s_logits = [4.0, -4.0, 1.0, -0.3, 4.0] if fractional else [4, -4, 4, -4, 4]
    for gate, logits in zip(gates(layer), (z_logits, s_logits), strict=True):
        set_logits(gate, np.array(logits))
    z, s = (array(gate.inference_mask()).astype("float64") for gate in gates(layer))
    assert fractional == bool(np.any((s > 0) & (s < 1)))
    weights = [array(w).astype("float64") for w in own_weights(layer)]
    given = _states(family)
    wide = tuple(state.astype("float64") for state in given)
    x = SEQUENCES.astype("float64")
    expected = ORACLES[family](x, *weights, z, s, wide)
    ours = array(layer(SEQUENCES, initial_state=given))
    np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.parametrize("training", [False, True])
@every_family
def test_cell_equals_layer(family: str, training: bool) -> None:
    cell, layer = _made(family, "cell"), _made(family, "layer")
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
