"""The training-step benchmark, and the two networks it is run on."""

import keras
import numpy as np
import pytest

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmarking import networks
from keras_diffmask.export.benchmarking.training_step import training_step_ratio

X, Y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")


class Slow:
    """Stands for a compiled model; each step takes the given time."""

    compiled = True

    def __init__(self, name, clock, cost, log):
        self.name, self.clock, self.cost, self.log = name, clock, cost, log

    def train_on_batch(self, x, y):
        assert np.shape(x) == (4, 3) and np.shape(y) == (4, 2)
        self.log.append(self.name)
        self.clock.now += self.cost


def test_ratio_and_order_on_a_fake_clock(stage):
    clock, log, _ = stage
    plain, masked = Slow("p", clock, 20_000_000, log), Slow("m", clock, 21_000_000, log)
    result = training_step_ratio(
        plain, masked, X, Y, rounds=3, steps_per_round=4, warmup=1, clock=clock
    )
    assert (result.plain_ms, result.masked_ms) == (20.0, 21.0)
    assert result.ratio.median == pytest.approx(1.05)
    assert (result.ratio.name, result.ratio.baseline) == ("masked", "plain")
    assert result.ratio.rounds == 3
    assert (result.batch, result.steps_per_round) == (4, 4)
    # Turns alternate as p m, m p, m p, p m: a drift cancels within a round.
    assert "".join(log) == "pm" + "ppmm" + "mmpp" + "mmpp" + "ppmm" + "ppmm" + "mmpp"


def test_real_models_train(stage):
    def make():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    plain, masked = make(), make()
    before = [w.copy() for w in plain.get_weights()]
    result = training_step_ratio(plain, masked, X, Y, rounds=2, warmup=1)
    assert result.backend == keras.backend.backend()
    assert result.plain_ms > 0 and result.ratio.median > 0
    assert not np.allclose(before[0], plain.get_weights()[0])


def test_uncompiled_models_and_counts_are_refused(stage):
    clock, log, _ = stage
    model = Slow("p", clock, 1, log)
    bare = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(InvalidArgumentError, match="masked model compiled.*compile"):
        training_step_ratio(model, bare, X, Y)
    with pytest.raises(InvalidArgumentError, match="rounds=0"):
        training_step_ratio(model, model, X, Y, rounds=0)
    with pytest.raises(InvalidArgumentError, match="steps_per_round=3"):
        training_step_ratio(model, model, X, Y, steps_per_round=3)


def test_resnet8_has_the_shape_of_mlperf_tiny():
    model = networks.resnet8()
    assert model.count_params() == 78_666
    macs = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            macs += int(np.prod(layer.kernel.shape)) * int(
                np.prod(layer.output.shape[1:3])
            )
        elif isinstance(layer, keras.layers.Dense):
            macs += int(np.prod(layer.kernel.shape))
    assert macs == 12_501_632


def test_two_lstm():
    model = networks.two_lstm(units=5, steps=4, features=3, classes=2)
    assert model.input_shape == (None, 4, 3) and model.output_shape == (None, 2)
    assert [type(layer).__name__ for layer in model.layers[1:]] == [
        "LSTM", "LSTM", "Dense",
    ]  # fmt: skip
