"""What estimators cost in a training step: which pairs are timed, and how."""

import dataclasses
import time

import keras
import numpy as np
import pytest

from keras_diffmask import estimators
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking import estimator_steps as module
from keras_diffmask.export.benchmarking import networks, training_step
from keras_diffmask.export.benchmarking.estimator_result import (
    EstimatorResult,
    EstimatorTime,
    LeftOut,
)
from keras_diffmask.export.benchmarking.records import Ratio
from keras_diffmask.export.machine import machine
from keras_diffmask.layers.masked import MaskedLayer

RESNET8, LENET = networks.resnet8, networks.lenet_300_100


@pytest.fixture
def small(monkeypatch):
    """Small networks of the shapes that are timed."""
    monkeypatch.setattr(networks, "resnet8", lambda: RESNET8((8, 8, 3)))
    monkeypatch.setattr(networks, "lenet_300_100", lambda: LENET(6))


@pytest.fixture
def fake_steps(monkeypatch, stage):
    """Steps that take 10 ms, and 1 ms more per gate."""
    clock, log, _ = stage

    class Fake:
        def __init__(self, model, x, y, steps):
            gates = [layer for layer in model.layers if "gate" in layer.name]
            own = [
                layer
                for layer in model.layers
                if isinstance(layer, MaskedLayer) and layer.gate
            ]
            self.cost = (10 + len(gates) + len(own)) * 1_000_000
            self.name = model.name

        def prepare(self):
            pass

        def run(self):
            self.step()

        def step(self):
            log.append(self.name)
            clock.now += self.cost

    monkeypatch.setattr(training_step, "Steps", Fake)
    return clock, log


def test_every_pair_is_timed_or_left_out_with_a_reason(small, fake_steps):
    clock, log = fake_steps
    told = []
    result = module.estimator_steps(
        ["hard_concrete", "straight_through"],
        rounds=2, batch=4, clock=clock, progress=lambda *parts: told.append(parts),
    )  # fmt: skip
    pairs = [(t.network, t.granularity, t.estimator, t.limit) for t in result.times]
    assert pairs == [
        ("resnet8", "channel", "hard_concrete", 1.05),
        ("resnet8", "channel", "straight_through", 1.05),
        ("resnet8", "weight", "hard_concrete", 1.25),
        ("resnet8", "weight", "straight_through", 1.25),
        ("lenet_300_100", "weight", "hard_concrete", None),
        ("lenet_300_100", "weight", "straight_through", None),
    ]
    assert result.left_out == ()
    assert (result.batch, result.rounds) == (4, 2)
    # Of LeNet, three kernels with a gate each.
    lenet = result.times[-1]
    assert (lenet.plain_ms, lenet.masked_ms) == (10.0, 13.0)
    assert lenet.ratio.median == pytest.approx(1.3)
    assert told == [(turn, 12) for turn in range(1, 13)]
    assert len(log) == 3 * 3 * (3 + 4)


def test_an_estimator_that_does_not_fit_is_named(small, fake_steps, monkeypatch):
    class WeightsOnly(estimators.StraightThrough):
        granularities = ("weight",)

    monkeypatch.setitem(estimators.ALL_OBJECTS, "weights_only", WeightsOnly)
    clock, _ = fake_steps
    result = module.estimator_steps(["weights_only"], rounds=1, batch=4, clock=clock)
    (left_out,) = result.left_out
    assert (left_out.network, left_out.granularity) == ("resnet8", "channel")
    assert left_out.reason == "one of its granularities, weight"
    assert [time.granularity for time in result.times] == ["weight", "weight"]
    assert "left out: weights_only on channel of resnet8: one of" in result.table()


def test_real_steps(small, monkeypatch):
    """Of one suite: the model trains under its gates' own penalty."""
    suite = module._Suite(
        networks.lenet_300_100, "weight", 2.0, {"a": estimators.get("hard_concrete")}
    )
    (timed,), left_out = module._measure(suite, 1, 4, None, time.perf_counter_ns)
    assert timed.plain_ms > 0 and timed.masked_ms > 0 and not left_out
    masked = module._masked(
        networks.lenet_300_100(), "weight", estimators.get("hard_concrete")
    )
    assert len(masked.losses) == 3


def test_the_cost_of_k(small, fake_steps):
    clock, _ = fake_steps
    result = module.estimator_steps(["top_k"], rounds=1, batch=2, clock=clock)
    by_k = [t.estimator for t in result.times if t.network == "dense_784x300"]
    assert by_k == [f"top_k, k={k}" for k in (1, 4, 16, 64, 392)]
    assert all(t.limit is None for t in result.times if "784" in t.network)


def test_the_table_says_what_is_over_its_limit():
    ratio = Ratio("a", "plain", 1.1, 1.0, 1.2, 3)
    over = EstimatorTime("resnet8", "channel", "a", 30.0, 33.0, ratio, 1.05)
    within = dataclasses.replace(over, limit=1.25)
    free = dataclasses.replace(over, limit=None)
    left_out = LeftOut("resnet8", "weight", "b", "another granularity")
    table = EstimatorResult(
        (over, within, free), (left_out,), "jax", 64, 3, machine(), "2026-01-01"
    ).table()
    lines = table.splitlines()
    assert lines[2].endswith("1.100 (1.000..1.200)  OVER 1.05")
    assert lines[3].endswith("1.100 (1.000..1.200)  within 1.25")
    assert lines[4].endswith("1.100 (1.000..1.200)")
    assert lines[5] == "left out: b on weight of resnet8: another granularity"


def test_bad_arguments():
    with pytest.raises(InvalidArgumentError, match="rounds=0"):
        module.estimator_steps(rounds=0)
    with pytest.raises(InvalidArgumentError, match="batch=0"):
        module.estimator_steps(batch=0)
    with pytest.raises(InvalidArgumentError, match="'magic'"):
        module.estimator_steps(["magic"], rounds=1)


def test_the_networks():
    assert networks.lenet_300_100().count_params() == 266_610
    model = networks.dense_layer(5, 3)
    assert [layer.units for layer in model.layers[1:]] == [3]
    assert isinstance(model, keras.Model)
    assert model.name == "dense_5x3" and np.prod(model.input_shape[1:]) == 5
