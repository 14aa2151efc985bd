"""What masks cost on recurrent layers: which kinds are timed, and how."""

import functools

import keras
import pytest

import keras_diffmask as kd
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking import networks, training_step
from keras_diffmask.export.benchmarking import recurrent_steps as module

TWO_RECURRENT = networks.two_recurrent


@pytest.fixture
def small(monkeypatch):
    """Small networks of the shapes that are timed."""
    tiny = functools.partial(TWO_RECURRENT, units=3, steps=4, features=2, classes=3)
    monkeypatch.setattr(networks, "two_recurrent", tiny)


@pytest.fixture
def fake_steps(monkeypatch, stage):
    """Steps that take 10 ms, and 1 ms more per gate."""
    clock, _, _ = stage

    class Fake:
        def __init__(self, model, x, y, steps):
            assert model.compiled and x.shape[1:] == model.input_shape[1:]
            self.cost = (10 + len(kd.gates(model))) * 1_000_000

        def prepare(self):
            pass

        def run(self):
            self.step()

        def step(self):
            clock.now += self.cost

    monkeypatch.setattr(training_step, "Steps", Fake)
    return clock


def test_every_kind_is_timed_with_its_gates_against_its_own_plain(small, fake_steps):
    told = []
    result = module.recurrent_steps(
        2, 4, clock=fake_steps, progress=lambda *parts: told.append(parts)
    )
    rows = [(t.network, t.granularity, t.masked_ms, t.limit) for t in result.times]
    assert rows == [
        (kind.name, place, 10.0 + gates, kind.limit)
        for kind in module.KINDS
        # One gate, or two, in each of two layers.
        for place, gates in (("hidden", 2), ("input and hidden", 4))
    ]
    assert all(time.plain_ms == 10.0 for time in result.times)
    assert result.times[0].ratio.median == pytest.approx(1.2)
    turns = 4 * len(module.KINDS)
    assert told == [(turn, turns) for turn in range(1, turns + 1)]
    assert "two_lstm" in result.table() and "OVER 1.10" in result.table()


def test_only_layers_promise_something():
    limits = {kind.name: kind.limit for kind in module.KINDS}
    assert limits["two_lstm"] == limits["two_gru"] == 1.10
    assert limits["two_rnn_of_lstm_cells"] is None


@pytest.mark.parametrize("kind", module.KINDS, ids=lambda kind: kind.name)
def test_real_steps(small, kind, monkeypatch):
    """The masked model is the plain one with gates, and trains under a penalty."""
    models = module._models(kind)
    plain, masked = models["plain"], models["input and hidden"]
    assert not kd.gates(plain) and not plain.losses
    assert len(kd.gates(masked)) == len(masked.losses) == 4
    weights = [w.shape for layer in plain.layers for w in layer.weights]
    of_gates = {id(w) for gate in kd.gates(masked) for w in gate.weights}
    ours = [w.shape for w in masked.weights if id(w) not in of_gates]
    assert ours == weights
    if kind.limit is not None:
        monkeypatch.setattr(module, "PLACES", {"hidden": module.PLACES["hidden"]})
        (timed,) = module._measure(kind, 1, 2, None, training_step.time.perf_counter_ns)
        assert timed.plain_ms > 0 and timed.masked_ms > 0


def test_bad_arguments():
    with pytest.raises(InvalidArgumentError, match="rounds=0"):
        module.recurrent_steps(rounds=0)
    with pytest.raises(InvalidArgumentError, match="batch=0"):
        module.recurrent_steps(batch=0)


def test_the_network():
    model = TWO_RECURRENT(keras.layers.GRU, "two_gru", units=5, steps=7, features=2)
    assert model.input_shape == (None, 7, 2) and model.output_shape == (None, 10)
    sizes = [layer.units for layer in model.layers[1:3]]
    assert sizes == [5, 5] and networks.two_lstm(4).layers[1].units == 4
