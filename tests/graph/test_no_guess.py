"""What a rule must not take for granted: masks, overridden calls, names, initials."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.masking import standing
from tests.laws.alive import array

RNG = np.random.default_rng(0)


def _x(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


def _distance(one: keras.Model, other: keras.Model, x: Any) -> float:
    return float(np.abs(array(one(x)) - array(other(x))).max())


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(1)


def test_a_tensor_that_is_a_mask_is_read_whole() -> None:
    inputs = keras.Input((7, 5))
    learned = layers.Dense(7)(inputs) > 0.0
    outputs = layers.MultiHeadAttention(2, 4)(inputs, inputs, attention_mask=learned)
    model = keras.Model(inputs, outputs)
    assert _distance(model, export.strip(model), _x(4, 7, 5)) < 1e-6


class Standardized(layers.Conv2D):
    """Weight standardization: a closed input changes what the others are read with."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        mean = ops.mean(kernel, axis=(0, 1, 2), keepdims=True)
        return super().convolution_op(inputs, kernel - mean)


class Renamed(layers.Conv2D):
    """A configuration of its own and nothing else, which inherits the rule."""

    def __init__(self, filters: int, kernel_size: Any, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


@pytest.mark.parametrize("kind", [Standardized, Renamed])
def test_a_layer_that_computes_otherwise_has_no_rule_of_its_parent(kind: type) -> None:
    inputs = keras.Input((6, 6, 3))
    h = layers.Conv2D(8, 3, name="first")(layers.Conv2D(4, 1, name="stem")(inputs))
    h = kind(4, 3, name="own")(h)
    model = keras.Model(inputs, layers.Conv2D(2, 1)(h))
    masked = kd.mask_model(model)
    gates = {gate.name: gate for gate in kd.gates(masked)}
    assert ("first_gate" in gates) == (kind is Renamed)
    for gate in gates.values():
        gate.set_keep(np.arange(gate.units) < gate.units // 2)
    assert _distance(masked, export.strip(masked), _x(2, 6, 6, 3)) < 1e-6
    barred = "graph.register(Standardized)" in str(export.plan(masked))
    assert barred == (kind is Standardized)


@pytest.mark.parametrize("is_layer", [True, False])
def test_a_branch_stays_where_it_takes_a_time_mask_away(is_layer: bool) -> None:
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(10, 8, mask_zero=True)(inputs)
    y = layers.Conv1D(8, 3, padding="same", name="branch")(x)
    x = layers.Add()([x, y]) if is_layer else x + y
    model = keras.Model(inputs, layers.LSTM(4)(x))
    kernel, bias = model.get_layer("branch").get_weights()
    model.get_layer("branch").set_weights([0 * kernel, bias])
    tokens = RNG.integers(0, 3, (5, 6))
    assert _distance(model, export.strip(model), tokens) < 1e-6


def test_inner_inputs_by_name() -> None:
    one, other = keras.Input((6,), name="z"), keras.Input((6,), name="a")
    h = 2.0 * layers.Dense(6)(one) + layers.Dense(6)(other)
    inner = keras.Model([one, other], h)
    p, q, spare = (keras.Input((6,)) for _ in range(3))
    h = inner({"z": p, "a": q, "spare": spare})
    model = keras.Model([p, q, spare], layers.Dense(2)(layers.Dense(5, "relu")(h)))
    x = [_x(4, 6), _x(4, 6), _x(4, 6)]
    for made in (export.strip(model), kd.mask_model(model)):
        assert _distance(model, made, x) < 1e-6


class Doubled(keras.Sequential):
    """Its graph is not all that it computes."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return 2.0 * super().call(inputs, training=training)


def test_a_sequential_with_a_call_of_its_own() -> None:
    stack = [keras.Input((6,)), layers.Dense(6, "relu"), layers.Dense(6)]
    inputs = keras.Input((6,))
    h = layers.Dense(6)(Doubled(stack)(layers.Dense(6)(inputs)))
    model = keras.Model(inputs, layers.Dense(2)(h))
    assert _distance(model, export.strip(model), _x(4, 6)) < 1e-6
    with pytest.raises(UnsupportedModelError, match="subclassed model 'Doubled'"):
        export.strip(Doubled(stack))


def test_an_extreme_with_an_initial_value() -> None:
    inputs, dense = keras.Input((5, 4)), layers.Dense(6)
    most = ops.max(dense(inputs), axis=1, initial=0.0)
    model = keras.Model(inputs, layers.Dense(3)(most))
    kernel = array(dense.kernel).copy()
    kernel[:, 1] = 0.0
    dense.set_weights([kernel, np.full(6, -2.0)])
    assert _distance(model, export.strip(model), _x(4, 5, 4)) < 1e-6


def _masking() -> keras.Model:
    inputs = keras.Input((7, 5))
    h = layers.Dense(8)(inputs)
    h = layers.MultiHeadAttention(2, 4)(layers.Masking(0.3)(h), h)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h)))


def _broadcast() -> keras.Model:
    inputs = keras.Input((6, 6, 3))
    h = layers.Conv2D(8, 3, padding="same")(inputs)
    g = layers.GlobalAveragePooling2D(keepdims=True)(h)
    h = layers.Add()([h, layers.Dense(8)(layers.Dense(64, "relu")(g))])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(h)))


@pytest.mark.parametrize("make", [_masking, _broadcast])
def test_what_a_budget_counts_as_gone_goes(make: Any) -> None:
    model = make()
    for share in (0.6, 0.5, 0.3, 0.1, 0.05, 0.03, 0.02):
        try:
            masked = kd.mask_model(model, budget=kd.Budget(parameters=share))
        except kd.errors.BudgetError:
            break
        kd.finalize(masked)
        now = standing(masked)
        assert now is not None and now.is_met
        assert export.strip(masked).count_params() <= share * model.count_params()
    assert share < 0.6


def test_a_wrapped_layer_that_needs_work_around_it_stays_whole() -> None:
    inputs = keras.Input((7, 5))
    h = layers.Dense(8)(layers.Dense(6, name="free")(inputs))
    h = layers.TimeDistributed(layers.LayerNormalization())(h)
    masked = kd.mask_model(keras.Model(inputs, layers.Dense(2)(h)))
    (gate,) = kd.gates(masked)
    gate.set_keep(np.arange(6) < 3)
    assert _distance(masked, export.strip(masked), _x(3, 7, 5)) < 1e-6


def test_a_front_keeps_nothing_of_a_training_that_diverged(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(2)]
    )
    masked = kd.mask_model(model, budget=kd.Budget(parameters=0.5))
    masked.compile("sgd", "mse", run_eagerly=keras.backend.backend() == "tensorflow")

    class Diverge(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 3:
                kernel = self.model.layers[-1].kernel
                kernel.assign(kernel * np.nan)

    x = _x(32, 4)
    front = kd.callbacks.ParetoFront(
        tmp_path / "front", [kd.Budget(parameters=0.5)], (x, x[:, :2]), monitor="loss"
    )
    callbacks = [Diverge(), front]
    masked.fit(x, x[:, :2], epochs=5, verbose=0, callbacks=callbacks)
    (row,) = front.front()
    assert np.isfinite(row.score) and row.epoch < 3
