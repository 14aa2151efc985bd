"""Where a masked model stands with its budget, and the decision that meets it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import keras_internals
from keras_diffmask.budget import Budget, BudgetController, decide
from keras_diffmask.budget.units import said
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.gate import Gate


@dataclass(frozen=True)
class BudgetRow:
    """One cost that the model's budget names, as fractions of the dense one.

    Attributes:
        name: the cost.
        dense: the dense model's, in its unit: bytes, say, or nanoseconds.
        decided: with the inference masks, which is what the strip leaves.
        expected: on average under the training masks.
        budget: what `fit` is to reach.
        is_decided: whether the gates were decided for it, by `fit` or `finalize`.
        is_met: whether the stripped model would meet it, counted in integers.
    """

    name: str
    dense: float
    decided: float
    expected: float
    budget: float
    is_decided: bool
    is_met: bool

    def __str__(self) -> str:
        rest = (
            "" if self.is_decided else ", not decided yet: train on, or call finalize"
        )
        return (
            f"{self.name}: decided {self._said(self.decided)}, expected while training "
            f"{self.expected:.1%}, budget {self._said(self.budget)}{rest}"
        )

    def _said(self, share: float) -> str:
        return f"{share:.1%} ({said(self.name, share * self.dense)})"


@dataclass(frozen=True)
class Standing:
    """What a masked model costs now, against its budget.

    Attributes:
        rows: one per cost that the budget names.
        targets: per cost what the controller steers to at this step.
        is_searching: whether the gates are still to be decided.
        is_met: whether the stripped model would meet every limit, counted in
            integers.
    """

    rows: tuple[BudgetRow, ...]
    targets: tuple[float, ...]
    is_searching: bool
    is_met: bool

    def logs(self) -> dict[str, float]:
        """What `fit` writes into the logs of an epoch."""
        logs = {}
        for row, target in zip(self.rows, self.targets, strict=True):
            logs[row.name] = row.expected if self.is_searching else row.decided
            logs[f"{row.name}_target"] = target if self.is_searching else row.budget
        return {**logs, "budget_met": float(self.is_met)}


def standing(model: keras.Model) -> Standing | None:
    """Count what a model costs now; None where it has no budget."""
    controller = controller_of(model)
    if controller is None:
        return None
    gates = ordered_gates(model, controller)
    keeps = [gate.keep for gate in gates]
    decided = [keep.astype(float) for keep in keeps]
    expected = [ops.convert_to_numpy(gate.keep_probability()) for gate in gates]
    limits = controller.as_limits()
    denses = [float(entry["dense"]) for entry in controller.limits]
    searching = is_searching(model)
    rows = tuple(
        BudgetRow(
            name=limit.cost.name,
            dense=dense,
            decided=limit.cost.count(decided) / dense,
            expected=limit.cost.count(expected) / dense,
            budget=limit.most / dense,
            is_decided=not searching,
            is_met=limit.holds(keeps),
        )
        for limit, dense in zip(limits, denses, strict=True)
    )
    return Standing(
        rows=rows,
        targets=tuple(controller.targets()),
        is_searching=searching,
        is_met=all(row.is_met for row in rows),
    )


def finalize(model: keras.Model, budget: Budget | None = None) -> None:
    """Decide the gates so that the stripped model's cost meets the budget.

    `fit` does this by itself. A custom training loop calls it when the search
    is over; what is trained after it is the decided network. The units with
    the largest scores stay, in multiples of the gates' `channel_multiple`;
    gates that `set_keep` fixed are left as they are.

    With `budget`, another one than the model was masked with: a tighter or a
    looser network out of the same trained gates, also after `fit` or after the
    model has been loaded. It changes the decision and the model's budget in
    place, and no weight and no logit, so that it may be called again with
    another budget, and the first one gives the first decision again. Units
    that come back have the weights that they had when they were closed, less
    what an optimizer's weight decay has taken since: a few epochs of `fit`,
    which trains the decided network, do them good.

    Args:
        model: a model made by `mask_model(..., budget=...)`.
        budget: a `Budget` of costs that the model's own budget names; costs
            that it does not name are free. Its `search`, `ramp` and `measured`
            are for `mask_model` and do not matter here. By default the
            model's own.

    Raises:
        InvalidArgumentError: the model has no budget.
        BudgetError: the budget names a cost that the model's own does not, or
            it cannot be reached, or units fixed by `set_keep` leave no room for
            it. The model is then as it was.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
    ...                           keras.layers.Dense(2)])
    >>> masked = kd.mask_model(model, budget=kd.Budget(parameters=0.5))
    >>> kept = []
    >>> for share in (0.3, 0.8):
    ...     kd.finalize(masked, kd.Budget(parameters=share))
    ...     kept.append(int(kd.gates(masked)[0].keep.sum()))
    >>> kept
    [2, 6]
    """
    controller = controller_of(model)
    if controller is None:
        raise InvalidArgumentError(
            "a model with a budget",
            f"model {model.name!r} without one",
            "Pass budget=kd.Budget(macs=0.3) to kd.mask_model.",
        )
    gates = ordered_gates(model, controller)
    entries = controller.limits if budget is None else controller.limits_of(budget)
    limits = controller.as_limits(entries)
    scores = [ops.convert_to_numpy(gate.score()) for gate in gates]
    least = [gate.min_keep for gate in gates]
    multiples = [gate.multiple for gate in gates]
    by_hand = [gate.keep if gate.is_fixed_by_hand else None for gate in gates]
    decision = decide(limits, scores, least, by_hand, multiples)
    for gate, keep, given in zip(gates, decision, by_hand, strict=True):
        if given is None:
            gate.set_keep(np.asarray(keep), by_hand=False)
    controller.limits = entries
    controller.searching.assign(0.0)


def shares_of(model: keras.Model, budget: Budget) -> dict[str, float]:
    """The most that each cost may be under a budget, as fractions of the dense one.

    Raises:
        BudgetError: it names a cost that the model's own budget does not.
    """
    controller = controller_of(model)
    entries = controller.limits_of(budget) if controller else []
    return {
        limit.cost.name: limit.most / float(entry["dense"])
        for limit, entry in zip(
            controller.as_limits(entries) if controller else [], entries, strict=True
        )
    }


@contextmanager
def decided_for(model: keras.Model, budget: Budget) -> Iterator[None]:
    """Within it the gates are decided for a budget; afterwards as they were.

    Raises:
        InvalidArgumentError, BudgetError: as `finalize`.
    """
    controller = controller_of(model)
    if controller is None:
        finalize(model, budget)  # which says why it cannot
        return
    gates = ordered_gates(model, controller)
    states: list[Any] = [state for gate in gates for state in gate.decision_states()]
    states.append(controller.searching)
    before = [ops.convert_to_numpy(state).copy() for state in states]
    limits = controller.limits
    try:
        finalize(model, budget)
        yield
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)
        controller.limits = limits


def controller_of(model: keras.Model) -> BudgetController | None:
    """The model's controller, or None."""
    layers = keras_internals.flatten_layers(model)
    return next((x for x in layers if isinstance(x, BudgetController)), None)


def is_searching(model: keras.Model) -> bool:
    """Whether the gates are still to be decided."""
    controller = controller_of(model)
    return bool(controller and ops.convert_to_numpy(controller.searching) > 0.5)


def is_fixed_by_hand(model: keras.Model) -> bool:
    """Whether `set_keep` decided one of the gates that the budget counts."""
    controller = controller_of(model)
    gates = ordered_gates(model, controller) if controller else []
    return any(gate.is_fixed_by_hand for gate in gates)


def ordered_gates(model: keras.Model, controller: BudgetController) -> list[Gate]:
    """The gates in the order in which the controller's costs count them."""
    by_name = {x.name: x for x in keras_internals.flatten_layers(model)}
    return [by_name[name] for name in controller.gate_names]
