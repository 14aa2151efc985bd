"""Law 7: noise is drawn once per gate and step, never per time step of an RNN."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import estimators, layers
from tests.laws.masked_cases import array, gates, randomize, set_logits

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
        kinds = ((layers.MaskedLSTMCell, 3), (layers.MaskedGRUCell, UNITS))
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
