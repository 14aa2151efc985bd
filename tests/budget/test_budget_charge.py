"""Who pays for a budget: everybody, or those alone that the target would close."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.budget.charge import charged, unit_costs, with_gradient_of
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.masking.budgeted import controller_of
from tests.budget.networks import BATCH, data, masked
from tests.laws.masked_cases import set_logits

LOWEST = kd.Budget(macs=0.3, charged="lowest")


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(3)


def oracle(scores: list[np.ndarray], costs: list[float], left: float) -> np.ndarray:
    """Unit by unit from the lowest score up, as long as what is spent allows."""
    flat = np.concatenate([score.ravel() for score in scores])
    each = np.concatenate(
        [np.full(s.size, c) for s, c in zip(scores, costs, strict=True)]
    )
    chosen, spent = np.zeros(len(flat)), 0.0
    for unit in np.argsort(flat, kind="stable"):
        spent += each[unit]
        if spent > 1.0 - left:
            break
        chosen[unit] = 1.0
    return chosen


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    left=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)
def test_those_pay_that_the_target_would_close(
    sizes: list[int], left: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    flat = rng.permutation(sum(sizes)).astype("float32")
    scores = np.split(flat, np.cumsum(sizes)[:-1])
    # Sums of these are exact, so that nothing hangs on their order.
    costs = [float(c) / 1024 for c in rng.integers(1, 64, len(sizes))]
    left = round(left * 1024) / 1024 + 1 / 2048
    found = charged([ops.convert_to_tensor(s) for s in scores], costs, left)
    found = np.concatenate([ops.convert_to_numpy(part) for part in found])
    np.testing.assert_array_equal(found, oracle(scores, costs, left))


def test_what_a_unit_costs_is_what_its_layers_lose() -> None:
    model = masked(LOWEST)
    (limit,) = controller_of(model).limits
    gates = kd.gates(model)
    total = sum(
        gate.units * cost for gate, cost in zip(gates, limit["units"], strict=True)
    )
    assert total == pytest.approx(1.0)
    # The residual sum has 8 channels: written by two layers, read by two.
    macs = {8: 6 + 6 + 6 + 8, 6: 8 + 8}
    first, second = gates[:2]
    ratio = limit["units"][0] / limit["units"][1]
    assert ratio == pytest.approx(macs[first.units] / macs[second.units])


def test_a_cost_that_sees_no_gate_counts_units() -> None:
    class Free:
        def count(self, values: Any) -> float:
            return 1.0

    assert unit_costs(Free(), [1, 3]) == [0.25, 0.25]


def test_the_gradient_is_that_of_the_chosen() -> None:
    chosen = ops.convert_to_tensor([1.0, 0.0])
    values = ops.convert_to_tensor([0.2, 0.7])
    found = ops.convert_to_numpy(with_gradient_of(values, chosen))
    np.testing.assert_array_equal(found, np.float32([0.2, 0.7]))


@pytest.mark.parametrize(
    "estimator", ["hard_concrete", "differentiable_mask", "straight_through"]
)
def test_fit_meets_the_budget(estimator: str) -> None:
    model = masked(LOWEST, estimator=estimator)
    model.fit(*data(), batch_size=BATCH, epochs=4, verbose=0)
    plan, slim = export.plan(model), export.strip(model)
    assert plan.macs[1] <= 0.3 * plan.macs[0]
    x = data()[0]
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(x, training=False)),
        ops.convert_to_numpy(slim(x)),
        atol=1e-5,
    )


def test_gates_fixed_by_hand_neither_pay_nor_stand_in_for_others() -> None:
    model = masked(LOWEST)
    first = kd.gates(model)[0]
    first.set_keep(np.arange(first.units) > 0)
    told = first(None, training=True, ranked=True)
    assert np.all(ops.convert_to_numpy(told[2]) > 1e8)
    model.fit(*data(), batch_size=BATCH, epochs=2, verbose=0)
    assert first.keep.sum() == first.units - 1


def test_saved_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    """The scores of the gates reach the controller of a loaded model."""
    model = masked(LOWEST, estimator="differentiable_mask")

    class Save(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 0:
                self.model.save(tmp_path / "model.keras")

    whole = model.fit(
        *data(),
        batch_size=BATCH,
        epochs=4,
        verbose=0,
        shuffle=False,
        callbacks=[Save()],
    )
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.run_eagerly = model.run_eagerly
    rest = again.fit(
        *data(), batch_size=BATCH, epochs=4, initial_epoch=1, verbose=0, shuffle=False
    )  # fmt: skip
    for name in ("loss", "macs", "macs_target"):
        tail = whole.history[name][1:]
        assert rest.history[name] == pytest.approx(tail, rel=1e-5)


def test_charged_says_who() -> None:
    with pytest.raises(InvalidArgumentError, match="charged to be 'all' or 'lowest'"):
        kd.Budget(macs=0.3, charged="some")


@pytest.mark.parametrize("who", ["all", "lowest"])
def test_the_price_moves_no_one_else(who: str) -> None:
    """With nothing to learn but the price: who ranks high stays where it was."""
    budget = kd.Budget(macs=0.5, charged=who)
    model = masked(budget, estimator="differentiable_mask")
    model.compile("adam", lambda y, outputs: 0.0 * ops.sum(outputs), run_eagerly=True)
    before = [np.linspace(0.2, 1.0, gate.units) for gate in kd.gates(model)]
    for gate, logits in zip(kd.gates(model), before, strict=True):
        set_logits(gate, logits)
    model.fit(*data(), batch_size=BATCH, epochs=6, verbose=0)
    after = [ops.convert_to_numpy(gate.competing_logits()) for gate in kd.gates(model)]
    for old, new in zip(before, after, strict=True):
        assert np.all(new[old < 0.3] < old[old < 0.3])
        moved = np.abs(new - old)[old > 0.8]
        assert np.all(moved > 1e-3) if who == "all" else np.all(moved < 1e-6)
