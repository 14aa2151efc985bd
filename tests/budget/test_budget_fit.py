"""Plain `fit` meets the budget, whatever it is fed and however it ends."""

import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.costs import Gating, device_cost
from keras_diffmask.graph import trace
from keras_diffmask.masking.budgeted import controller_of, is_searching
from tests.budget.networks import BATCH, EXAMPLES, data, masked


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(3)
    keras.utils.clear_session(free_memory=False)


def assert_met(model: kd.MaskedModel) -> None:
    assert not is_searching(model)
    assert all(gate.is_fixed for gate in kd.gates(model))
    controller = controller_of(model)
    assert controller is not None
    slim, plan = export.strip(model), export.plan(model)
    for limit in controller.as_limits():
        assert getattr(plan, limit.cost.name)[1] <= limit.most
    assert plan.parameters[1] == slim.count_params()


@pytest.mark.parametrize(
    "limits",
    [
        {"macs": 0.3},
        {"parameters": 0.4},
        {"macs": 90},
        {"macs": 0.5, "parameters": 100},
        {"macs": np.float32(0.5), "parameters": np.int64(120)},
        {"macs": 1.0},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:The budget limits nothing")
def test_fit_meets_the_budget(limits: dict[str, Any]) -> None:
    model = masked(kd.Budget(**limits), compiled=len(limits) > 1)
    x, y = data()
    model.fit(x, y, batch_size=BATCH, epochs=5, verbose=0)
    assert_met(model)
    if limits == {"macs": 1.0}:
        assert all(gate.keep.all() for gate in kd.gates(model))


@pytest.mark.parametrize("estimator", ["hard_concrete", "straight_through"])
def test_one_epoch_is_enough_to_decide(estimator: str) -> None:
    model = masked(kd.Budget(macs=0.4), estimator=estimator)
    model.fit(*data(), batch_size=BATCH, epochs=1, verbose=0)
    assert_met(model)


class _Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return EXAMPLES // BATCH

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = slice(index * BATCH, (index + 1) * BATCH)
        return tuple(array[chosen] for array in data())


def _forever() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while True:
        for index in range(EXAMPLES // BATCH):
            yield _Batches()[index]


def _dataset() -> Any:
    tf = pytest.importorskip("tensorflow")
    signature = (tf.TensorSpec((None, 6)), tf.TensorSpec((None,), "int32"))
    one_pass = lambda: (_Batches()[i] for i in range(EXAMPLES // BATCH))  # noqa: E731
    dataset = tf.data.Dataset.from_generator(one_pass, output_signature=signature)
    assert dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY
    return dataset


@pytest.mark.parametrize("epochs", [1, 5])
@pytest.mark.parametrize("kind", ["generator", "dataset", "pydataset"])
def test_data_of_any_kind(kind: str, epochs: int) -> None:
    model = masked(kd.Budget(macs=0.4))
    decided: list[bool] = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: decided.append(not is_searching(model))
    )
    arguments: dict[str, Any] = {"epochs": epochs, "verbose": 0, "callbacks": watch}
    if kind == "generator":
        model.fit(_forever(), steps_per_epoch=EXAMPLES // BATCH, **arguments)
    else:
        model.fit(_dataset() if kind == "dataset" else _Batches(workers=1), **arguments)
    assert_met(model)
    # Half of the steps search, whether their number was known or found out.
    assert epochs == 1 or decided == [False, False, True, True, True]


def test_early_stopping_brings_back_undecided_gates() -> None:
    """Weights restored from before the decision hold the gates of before it."""
    model = masked(kd.Budget(macs=0.3))
    best_first = iter(range(100))

    class Worse(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["score"] = float(next(best_first))

    stop = keras.callbacks.EarlyStopping(
        "score", mode="min", patience=4, restore_best_weights=True
    )
    history = model.fit(
        *data(), batch_size=BATCH, epochs=6, verbose=0, callbacks=[Worse(), stop]
    )
    assert len(history.epoch) == 5, "it stops after the decision"
    assert_met(model)


def test_fit_that_ends_before_the_search_does() -> None:
    model = masked(kd.Budget(macs=0.3))

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert is_searching(self.model)
            self.model.stop_training = True

    model.fit(*data(), batch_size=BATCH, epochs=10, verbose=0, callbacks=Stop())
    assert_met(model)


def test_second_fit_trains_the_decided_network() -> None:
    model = masked(kd.Budget(macs=0.4))
    model.fit(*data(), batch_size=BATCH, epochs=2, verbose=0)
    keeps = [gate.keep for gate in kd.gates(model)]
    weights = [keras.ops.convert_to_numpy(w) for w in model.layers[-1].weights]
    model.fit(*data(), batch_size=BATCH, epochs=2, verbose=0)
    for gate, keep in zip(kd.gates(model), keeps, strict=True):
        assert np.array_equal(gate.keep, keep)
    now = [keras.ops.convert_to_numpy(w) for w in model.layers[-1].weights]
    assert not np.array_equal(weights[0], now[0])
    assert_met(model)


def test_search_is_of_the_epochs_ahead() -> None:
    """A model that was trained, and then masked, goes on counting its epochs."""
    x, y = data()
    model = masked(kd.Budget(macs=0.5))
    found = model.fit(x, y, batch_size=BATCH, initial_epoch=6, epochs=10, verbose=0)
    assert found.history["budget_met"] == [0.0, 0.0, 1.0, 1.0]
    controller = controller_of(model)
    assert controller is not None
    assert (
        keras.ops.convert_to_numpy(controller.search_steps)
        == 0.5 * 4 * EXAMPLES / BATCH
    )


def test_no_output_reads_the_first_input() -> None:
    one, other = keras.Input((4,), name="one"), keras.Input((6,), name="other")
    hidden = keras.layers.Dense(8, "relu")(other)
    plain = keras.Model([one, other], keras.layers.Dense(2)(hidden))
    penalized = kd.mask_model(plain, gate_regularizer=kd.regularizers.L0(1.0))
    x, y = data()
    penalized([x[:, :4], x])
    assert len(penalized.losses) == 1
    model = kd.mask_model(plain, budget=kd.Budget(macs=0.5))
    eagerly = keras.backend.backend() == "tensorflow"
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=eagerly)
    model.fit([x[:, :4], x], y, batch_size=BATCH, epochs=2, verbose=0)
    assert_met(model)


def test_custom_loop_finalizes_by_itself() -> None:
    model = masked(kd.Budget(macs=0.4, parameters=0.6))
    x, y = data()
    for _ in range(3):
        model.train_on_batch(x, y)
    assert is_searching(model)
    kd.finalize(model)
    assert_met(model)
    before = export.plan(model).macs
    model.train_on_batch(x, y)
    assert export.plan(model).macs == before


def test_gates_fixed_by_hand_are_respected() -> None:
    model = masked(kd.Budget(macs=0.6))
    gate = kd.gates(model)[0]
    keep = np.arange(gate.units) < 5
    gate.set_keep(keep)
    model.fit(*data(), batch_size=BATCH, epochs=3, verbose=0)
    assert np.array_equal(gate.keep, keep)
    assert_met(model)


def test_gates_fixed_beyond_the_budget() -> None:
    model = masked(kd.Budget(macs=0.1))
    for gate in kd.gates(model):
        gate.set_keep(np.ones(gate.units, bool))
    with pytest.raises(kd.errors.BudgetError, match="Give some of them back"):
        kd.finalize(model)


def test_without_a_budget_fit_is_fit() -> None:
    model = masked(None)
    model.fit(*data(), batch_size=BATCH, epochs=1, verbose=0)
    assert not any(gate.is_fixed for gate in kd.gates(model))


def test_fit_meets_bytes_with_an_unrolled_layer() -> None:
    """A GRU is many operators on the device, and no layer without a row."""
    inputs = keras.Input((4, 3))
    x = keras.layers.GRU(10)(inputs)
    dense = keras.Model(inputs, keras.layers.Dense(2)(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = kd.mask_model(dense, budget=kd.Budget(flash=0.97, ram=0.99))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    eagerly = keras.backend.backend() == "tensorflow"
    model.compile(keras.optimizers.Adam(0.01), loss, run_eagerly=eagerly)
    x, y = data()
    model.fit(x.repeat(2, axis=1).reshape(-1, 4, 3), y, epochs=3, verbose=0)
    (gate,) = kd.gates(model)
    assert gate.is_fixed and 0 < gate.keep.sum() < 10
    left = Gating.without_gates(trace(export.strip(model)))
    controller = controller_of(model)
    assert controller is not None
    for limit in controller.as_limits():
        assert device_cost(limit.cost.name, left).count([]) <= limit.most


def test_a_penalty_beside_a_budget_does_not_close_more_than_the_budget() -> None:
    """A price of 1 per weight would close all that can; the budget decides."""
    x, y = data()
    model = masked(kd.Budget(macs=0.6), gate_regularizer=kd.regularizers.L0(1.0))
    model.fit(x, y, batch_size=BATCH, epochs=3, verbose=0)
    assert_met(model)
    plan = export.plan(model)
    assert plan.macs[1] > 0.5 * plan.macs[0]
