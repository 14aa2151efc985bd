"""What to say of a model whose gates are not decided such that its budget holds."""

import warnings

import keras

from keras_diffmask.errors import BudgetError
from keras_diffmask.masking.budgeted import (
    Standing,
    is_fixed_by_hand,
    is_searching,
    standing,
)

_DECIDE = (
    "Call keras_diffmask.finalize(model) to decide them for this budget, or "
    "finalize(model, budget) for the one that is meant."
)


def warn_if_undecided(model: keras.Model, stacklevel: int) -> None:
    """Warn where gates are still searched for, or miss the budget as they are.

    Args:
        model: any model; one without a budget has nothing to decide.
        stacklevel: as in `warnings.warn`, counted from the caller of this.
    """
    if is_searching(model):
        warnings.warn(
            f"The budget of {model.name!r} is not decided, since no fit has reached "
            "the end of its search: what is counted and stripped are the gates as "
            "they stand now. Train it with fit, or call "
            "keras_diffmask.finalize(model) to meet the budget first.",
            stacklevel=stacklevel + 1,
        )
        return
    now = standing(model)
    if now is not None and not now.is_met:
        _warn_of_miss(model, now, stacklevel + 1)


def require_decided_for_own_budget(model: keras.Model) -> None:
    """Refuse to train gates on that were decided for a looser budget.

    Weights bring the decision along, and not the budget that it was made for. What
    somebody chose with `set_keep` is theirs, and only warned of.

    Raises:
        BudgetError: the gates are decided, and above a limit of the model's budget.
    """
    now = None if is_searching(model) else standing(model)
    if now is None or now.is_met:
        return
    if is_fixed_by_hand(model):
        _warn_of_miss(model, now, stacklevel=2)
        return
    raise BudgetError(
        f"gates of {model.name!r} that are decided for its budget",
        f"a decision with {_missed(now)}, as weights of a model with another budget "
        "bring it along",
        _DECIDE,
    )


def _warn_of_miss(model: keras.Model, now: Standing, stacklevel: int) -> None:
    warnings.warn(
        f"The gates of {model.name!r} are decided, and miss its budget: "
        f"{_missed(now)}. {_DECIDE}",
        stacklevel=stacklevel + 1,
    )


def _missed(now: Standing) -> str:
    """The costs that are above their limits."""
    return " and ".join(
        f"{row.name} of {row.decided:.1%} where the budget is {row.budget:.1%}"
        for row in now.rows
        if not row.is_met
    )
