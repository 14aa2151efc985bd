"""Masked recurrent layers in Keras' wrappers: trained, saved, never bypassed."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.layers.rnn import bidirectional as keras_bidirectional
from keras.src.layers.rnn import gru as keras_gru
from keras.src.layers.rnn import lstm as keras_lstm

import keras_diffmask as kd
from keras_diffmask import export, layers
from keras_diffmask.errors import InvalidArgumentError
from tests.laws import alive
from tests.laws.masked_cases import array, set_logits
from tests.laws.zoo import SEQUENCE

# torch.compile takes minutes on a CPU, and TensorFlow's default is enough.
JIT = keras.backend.backend() == "jax"
X = np.random.default_rng(2).normal(size=(8, *SEQUENCE)).astype("float32")
LAYERS = [layers.MaskedLSTM, layers.MaskedGRU]


def _every_wrapper() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = keras.layers.TimeDistributed(layers.MaskedDense(5, activation="tanh"))(inputs)
    inner = layers.MaskedSimpleRNN(
        4, input_estimator="hard_concrete", return_sequences=True
    )
    x = keras.layers.Bidirectional(inner)(x)
    cells = [layers.MaskedGRUCell(4, name="one"), layers.MaskedLSTMCell(3, name="two")]
    x = keras.layers.RNN(cells)(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def test_wrapped_layers_train_and_survive_the_round_trip(tmp_path: Path) -> None:
    """Plain `fit` moves every gate; saved and loaded, the model is the same."""
    keras.utils.set_random_seed(3)
    model = alive.enliven(_every_wrapper(), X)
    for gate in kd.gates(model):
        set_logits(gate, np.resize([0.6, -0.3, 0.4], gate.mask_shape))
    before = [array(gate.raw_logits) for gate in kd.gates(model)]
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=JIT)
    model.fit(X, np.ones((8, 3), "float32"), batch_size=4, epochs=1, verbose=0)
    for gate, old in zip(kd.gates(model), before, strict=True):
        new = array(gate.raw_logits)
        assert np.all(np.isfinite(new)) and np.mean(new != old) > 0.3, gate.path
    model.save(tmp_path / "model.keras")
    back = keras.saving.load_model(tmp_path / "model.keras")
    names = [gate.name for gate in kd.gates(model)]
    assert [gate.name for gate in kd.gates(back)] == names and len(names) == 7
    assert np.array_equal(array(model(X)), array(back(X)))
    alive.decide(back, 0.5)
    assert not np.allclose(array(model(X)), array(back(X)))


@pytest.mark.parametrize("layer_class", LAYERS)
def test_no_fused_kernel_for_both_directions_goes_past_the_masks(
    layer_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU Keras hands the weights of both to one; here it is told apart."""
    asked: list[str] = []

    def fused(*args: Any, **kwargs: Any) -> Any:
        asked.append("both")
        raise NotImplementedError

    for name in ("bidirectional_lstm", "bidirectional_gru"):
        monkeypatch.setattr(keras_bidirectional.backend, name, fused)
    stock = keras.layers.Bidirectional(layer_class.stock_class(4))
    stock(X), stock(X)
    assert asked, "Keras no longer asks: this test has lost its subject"
    asked.clear()
    masked = keras.layers.Bidirectional(layer_class(4))
    masked(X), masked(X)
    assert not asked
    # A mask from outside is on the weights that the kernel would be given.
    outside = layers.MaskedBidirectional(layer_class.stock_class(4))
    outside(X), outside(X, gate_mask=np.ones(8, "float32"))
    assert asked


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("use_cudnn", ["auto", False])
@pytest.mark.parametrize("layer_class", LAYERS)
def test_fused_kernel_of_one_direction_gets_masked_weights(
    layer_class: Any, use_cudnn: Any, wrapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Keras would take it, and only there, as the layer is told."""
    is_lstm = issubclass(layer_class, keras.layers.LSTM)
    module, name = (keras_lstm, "lstm") if is_lstm else (keras_gru, "gru")
    kernels: list[np.ndarray] = []

    def fused(*args: Any, kernel: Any, **kwargs: Any) -> Any:
        kernels.append(array(kernel))
        raise NotImplementedError

    monkeypatch.setattr(module.backend, name, fused)
    layer = layer_class(4, use_cudnn=use_cudnn)
    layer = keras.layers.Bidirectional(layer) if wrapped else layer
    layer.build((None, *SEQUENCE))
    for gate in kd.gates(layer):
        gate.set_keep(np.array([True, False, False, True]))
    layer(X)
    assert len(kernels) == (1 + wrapped) * (use_cudnn == "auto")
    for kernel in kernels:
        closed = np.all(kernel == 0.0, axis=0).reshape(-1, 4)
        assert np.array_equal(
            closed, np.tile([False, True, True, False], (len(closed), 1))
        )


def test_mask_from_outside_on_states_that_are_carried_on() -> None:
    """A stateful Bidirectional: what it holds of a unit must not come back."""
    inner = keras.layers.GRU(3, stateful=True, return_sequences=True)
    layer = layers.MaskedBidirectional(inner)
    layer(X), layer(X)
    mask = np.array([1, 0, 1, 0, 0, 1], "float32")
    outputs = array(layer(X, gate_mask=mask))
    assert np.all(outputs[..., mask == 0] == 0.0)
    assert np.all(outputs[..., mask == 1] != 0.0)
    given = [np.ones((8, 3), "float32")] * 2
    outputs = array(layer(X, initial_state=given, gate_mask=mask))
    assert np.all(outputs[..., mask == 0] == 0.0)


@pytest.mark.parametrize("layer_class", [*LAYERS, layers.MaskedSimpleRNNCell])
def test_activation_that_would_wake_a_closed_neuron_is_refused(
    layer_class: Any,
) -> None:
    sentence = (
        "an activation of 'wakes' that is 0 at 0.*; received activation='sigmoid'. "
        "Pass 'tanh' or 'relu', or hidden_estimator=None and a ChannelMask"
    )
    with pytest.raises(InvalidArgumentError, match=sentence):
        layer_class(3, activation="sigmoid", name="wakes")
    layer = layer_class(
        3, activation="sigmoid", hidden_estimator=None, input_estimator="hard_concrete"
    )
    if isinstance(layer, keras.layers.RNN):
        assert array(layer(X)).shape == (8, 3)
        inputs = keras.Input(SEQUENCE)
        # Keras puts its own words around what is raised inside of a call.
        with pytest.raises(RuntimeError, match="that is 0 at 0"):
            layer(inputs, gate_mask=kd.Gate(3)(inputs)[0])


def test_cell_called_by_itself_keeps_no_mask() -> None:
    """Keras' SimpleRNN cell asks for its dropout mask inside of `call`."""
    cell = layers.MaskedSimpleRNNCell(3)
    states = [np.zeros((8, 3), "float32")]
    cell(X[:, 0], states, training=True)
    assert cell._masks_of_sequence is None
    cell.hidden_gate.set_keep(np.array([True, False, True]))
    assert np.all(array(cell(X[:, 0], states)[0])[:, 1] == 0.0)


def test_stateful_layers_are_masked_and_stripped() -> None:
    """States start at 0 and, of closed units, stay there from batch to batch."""
    inputs = keras.Input(batch_shape=(8, *SEQUENCE))
    x = keras.layers.LSTM(6, stateful=True, return_sequences=True, name="one")(inputs)
    x = keras.layers.Bidirectional(keras.layers.GRU(5, stateful=True), name="two")(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    for weight in model.weights:
        value = np.random.default_rng(1).normal(0, 0.5, weight.shape)
        weight.assign(value.astype("float32"))
    masked = kd.mask_model(model)
    assert [gate.units for gate in kd.gates(masked)] == [6, 5]
    assert np.array_equal(array(model(X)), array(masked(X)))
    alive.decide(masked, 0.5)
    slim = export.strip(masked)
    assert slim.get_layer("one").units == 3
    assert slim.get_layer("two").backward_layer.units == 3
    for layer in masked.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()
    first, second = array(masked(X)), array(masked(X))
    assert not np.allclose(first, second)
    for expected in (first, second):
        np.testing.assert_allclose(array(slim(X)), expected, atol=1e-5)
