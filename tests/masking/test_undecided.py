"""A budget that no fit has decided is said to be so, wherever it matters."""

import warnings
from typing import Any

import keras
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export


def _masked() -> Any:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu")])
    model.add(layers.Dense(2))
    return kd.mask_model(model, budget=kd.Budget(parameters=0.5))


@pytest.mark.parametrize("act", [export.strip, export.plan])
def test_undecided_budget_is_warned_of(act: Any) -> None:
    masked = _masked()
    with pytest.warns(UserWarning, match="is not decided.*finalize") as caught:
        act(masked)
    ours = [one for one in caught if "is not decided" in str(one.message)]
    assert [one.filename for one in ours] == [__file__]
    kd.finalize(masked)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*is not decided")
        act(masked)


def test_summary_says_whether_the_budget_is_decided() -> None:
    masked = _masked()
    before = kd.summary(masked, verbose=False)
    assert not before.budgets[0].is_decided and "not decided yet" in str(before)
    kd.finalize(masked)
    after = kd.summary(masked, verbose=False)
    assert after.budgets[0].is_decided and "not decided" not in str(after)
