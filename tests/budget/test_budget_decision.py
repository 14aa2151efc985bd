"""What the final decision promises, and every budget that cannot be."""

import math
import warnings
from typing import Any

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.budget import Limit, decide
from keras_diffmask.costs import IN_GRAPH, Cost, gated_cost
from keras_diffmask.errors import BudgetError, InvalidArgumentError
from keras_diffmask.graph import trace
from keras_diffmask.masking.placement import place


def _residual() -> keras.Model:
    inputs = keras.Input((5, 4))
    x = keras.layers.Dense(5)(inputs)
    y = keras.layers.Dense(3)(keras.layers.Dense(4)(x))
    x = keras.layers.Add()([x, keras.layers.Dense(5)(y)])
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.LSTM(4)(x)))


def _costs() -> tuple[list[Cost], list[int], list[int]]:
    graph = trace(_residual())
    placement = place(graph)
    sizes = placement.sizes
    costs = [
        gated_cost(name, graph, placement.gate_of, sizes, placement.branches)
        for name in IN_GRAPH
    ]
    return costs, sizes, placement.min_keep


COSTS, SIZES, MIN_KEEP = _costs()
ONES = [1] * len(SIZES)
SMALLEST = [np.arange(size) < need for size, need in zip(SIZES, MIN_KEEP, strict=True)]


def _limits(shares: tuple[float, float]) -> list[Limit]:
    """Between the least there is and the dense cost."""
    limits = []
    for cost, share in zip(COSTS, shares, strict=True):
        least = cost.count([keep.astype(float) for keep in SMALLEST])
        limits.append(Limit(cost, least + share * (cost.dense(SIZES) - least)))
    return limits


scores = st.lists(
    st.floats(-4, 4), min_size=sum(SIZES), max_size=sum(SIZES), unique=True
)
share = st.floats(0.0, 1.0)


def _split(flat: list[float]) -> list[np.ndarray]:
    return np.split(np.array(flat), np.cumsum(SIZES)[:-1])


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(flat=scores, shares=st.tuples(share, share))
def test_decision_holds_and_is_maximal(
    flat: list[float], shares: tuple[float, float]
) -> None:
    limits, by_gate = _limits(shares), _split(flat)
    keeps = decide(limits, by_gate, MIN_KEEP, [None] * len(SIZES), ONES)
    assert all(limit.holds(keeps) for limit in limits)
    for keep, score, need in zip(keeps, by_gate, MIN_KEEP, strict=True):
        assert keep.sum() >= need
        # Monotone: in each gate no closed unit scores above an open one.
        assert keep.all() or not keep.any() or score[keep].min() > score[~keep].max()
    for gate, keep in enumerate(keeps):
        for unit in np.flatnonzero(~keep):
            more = [k.copy() for k in keeps]
            more[gate][unit] = True
            assert not all(limit.holds(more) for limit in limits), "another one fits"


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(flat=scores, gate=st.integers(0, len(SIZES) - 1), data=st.data())
def test_fixed_gates_stay_as_they_are(
    flat: list[float], gate: int, data: st.DataObject
) -> None:
    keep = data.draw(
        st.lists(st.booleans(), min_size=SIZES[gate], max_size=SIZES[gate])
    )
    hypothesis.assume(sum(keep) >= MIN_KEEP[gate])
    fixed: list[Any] = [None] * len(SIZES)
    fixed[gate] = np.array(keep)
    limits = _limits((0.6, 0.6))
    try:
        keeps = decide(limits, _split(flat), MIN_KEEP, fixed, ONES)
    except BudgetError as error:
        assert "set_keep" in str(error)
        return
    assert np.array_equal(keeps[gate], keep)
    assert all(limit.holds(keeps) for limit in limits)


def test_dense_budget_closes_nothing() -> None:
    flat = np.linspace(-4, 4, sum(SIZES)).tolist()
    keeps = decide(
        _limits((1.0, 1.0)), _split(flat), MIN_KEEP, [None] * len(SIZES), ONES
    )
    assert all(keep.all() for keep in keeps)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {},
            r"at least one of macs, .*, latency; received an empty Budget\(\)",
        ),
        (
            {"flops": 0.3},
            r"costs among macs, parameters, flash, .*; received flops=0\.3\. Write",
        ),
        ({"macs": math.nan}, r"macs as a fraction .* received macs=nan\. Write macs"),
        ({"macs": -0.5}, r"macs as a fraction .* received macs=-0\.5"),
        ({"macs": 0}, r"received macs=0\."),
        ({"macs": 1.5}, r"a whole number above 1; received macs=1\.5"),
        ({"parameters": math.inf}, r"received parameters=inf"),
        ({"parameters": "30%"}, r"received parameters='30%'\. Write parameters=0\.3"),
        ({"macs": True}, r"received macs=True"),
    ],
    ids=str,
)
def test_budget_that_says_nothing(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BudgetError, match=sentence):
        kd.Budget(**arguments)


@pytest.mark.parametrize("name", ["search", "ramp"])
@pytest.mark.parametrize("value", [0.0, 1.5, -1.0, math.nan])
def test_share_outside_of_its_range(name: str, value: float) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"Expected {name} in \(0, 1\]"):
        kd.Budget(macs=0.5, **{name: value})


@pytest.mark.parametrize("value", [1.0, -0.1, math.nan])
def test_warmup_outside_of_its_range(value: float) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Expected warmup in \[0, 1\)"):
        kd.Budget(macs=0.5, warmup=value)


@pytest.mark.parametrize("budget", [{"macs": 0.001}, {"parameters": 2}], ids=str)
def test_budget_out_of_reach(budget: dict[str, float]) -> None:
    model = _residual()
    (name,) = budget
    sentence = rf"Expected {name} of at least [\d,]+, .* received a budget of .*Raise"
    with pytest.raises(BudgetError, match=sentence):
        kd.mask_model(model, budget=kd.Budget(**budget))


def test_the_least_that_an_error_names_is_accepted() -> None:
    """A share of a whole number is rarely one: 0.57 x 100 is less than 57."""
    model = keras.Sequential([keras.Input((36,))])
    for units, name in ((2, "a"), (7, "x"), (2, "b")):
        model.add(keras.layers.Dense(units, use_bias=False, name=name))
    with pytest.raises(BudgetError, match=r"at least 57, .*\(0\.57 of"):
        kd.mask_model(model, exclude="x", budget=kd.Budget(macs=56))
    masked = kd.mask_model(model, exclude="x", budget=kd.Budget(macs=0.57))
    kd.finalize(masked)
    assert export.plan(masked).macs[1] == 57


def test_budget_that_limits_nothing_says_so() -> None:
    model = _residual()
    dense = int(COSTS[IN_GRAPH.index("macs")].dense(SIZES))
    with pytest.warns(UserWarning, match=f"macs is {dense:,} of {dense + 1:,}"):
        kd.mask_model(model, budget=kd.Budget(macs=dense + 1))
    with pytest.warns(
        UserWarning, match=f"macs is {dense:,} of {dense:,}. Ask for less"
    ):
        kd.mask_model(model, budget=kd.Budget(macs=dense))
    for one in (1, 1.0):
        with pytest.warns(
            UserWarning, match="limits nothing, .* macs=1 is read as 100 %"
        ):
            kd.mask_model(model, budget=kd.Budget(macs=one))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        kd.mask_model(model, budget=kd.Budget(macs=0.5, parameters=10**6))


@pytest.mark.parametrize("name", ["macs", "parameters"])
def test_per_cent_for_a_share_is_guessed(name: str) -> None:
    with pytest.raises(BudgetError, match=rf"If 7 % is meant, write {name}=0\.07\.$"):
        kd.mask_model(_residual(), budget=kd.Budget(**{name: 7}))
    with pytest.raises(BudgetError, match=r"Raise \w+=, or mask more layers\.$"):
        kd.mask_model(_residual(), budget=kd.Budget(**{name: 0.0001}))


@pytest.mark.parametrize("share", [0.45, 0.6, 0.7, 0.8])
def test_equal_scores_leave_multiples(share: float) -> None:
    """As at the start, and where clipped logits have ended up at their limit."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(20, "relu"), keras.layers.Dense(2)]
    )
    masked = kd.mask_model(
        model, budget=kd.Budget(parameters=share), channel_multiple=8
    )
    kd.finalize(masked)
    assert kd.gates(masked)[0].keep.sum() in (8, 16)


def test_budget_on_single_weights() -> None:
    with pytest.raises(BudgetError, match='"channel" or "branch" with a budget'):
        kd.mask_model(_residual(), granularity="weight", budget=kd.Budget(macs=0.5))
