"""The controller that brings the expected cost to the budget while training."""

from typing import Any

import keras
from keras import ops

from keras_diffmask import keras_internals
from keras_diffmask.budget.budget import Budget
from keras_diffmask.budget.charge import charged, with_gradient_of
from keras_diffmask.budget.decision import Limit
from keras_diffmask.costs import from_config
from keras_diffmask.errors import BudgetError
from keras_diffmask.state import add_state

# How fast the multiplier follows the error, in units of the loss per search:
# an error of 1 % that lasts for the whole search raises it by 5.
_INTEGRAL = 500.0
_PROPORTIONAL = 50.0
# Until `fit` says how long it runs (a custom loop never does).
_DEFAULT_STEPS = 2000


@keras.saving.register_keras_serializable("keras_diffmask")
class BudgetController(keras.layers.Layer):
    """Passes its input through and adds the price of the gates to the loss.

    With c the expected cost as a fraction of the dense one, and a target that is
    1 during the warm-up and then falls linearly to the budget b, which it reaches
    at the end of the ramp, each training step does, per limit,

        e = c - target
        price = max(0, multiplier + proportional * e)
        loss += price * c
        multiplier = max(0, multiplier + integral / steps * e)

    With scores of the units, the c that is priced has a gradient for those alone that
    the target would close, lowest score first: the others keep what they have learnt.

    It is a layer of the graph and takes the gates' keep probabilities as call
    arguments, so that it survives save, load and clone together with them.

    Args:
        limits: list of `{"cost": config, "dense": float, "most": float}`, and with
            scores `"units"`, per gate what one of its units costs (`unit_costs`).
        gate_names: names of the gates, in the order of the probabilities.
        search: float in (0, 1], share of the steps of `fit` spent searching.
        ramp: float in (0, 1], share of the search after which the target is b.
        warmup: float in [0, 1), share of the ramp before it falls.

    Call arguments:
        inputs: any tensor; returned as it is.
        keep_probabilities: list of tensors, one per gate.
        scores: list of tensors, one per gate, by which units are ranked; without
            them every unit pays.
        training: bool; the price is added while training only.
    """

    def __init__(
        self,
        limits: list[dict[str, Any]],
        gate_names: list[str],
        search: float,
        ramp: float,
        warmup: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype="float32", autocast=False, **_without_dtype(kwargs))
        self.limits = limits
        self.gate_names = list(gate_names)
        self.search = float(search)
        self.ramp, self.warmup = float(ramp), float(warmup)
        self.costs = [from_config(limit["cost"]) for limit in limits]

    def build(self, *shapes: Any) -> None:
        self.step = add_state(self, "step", (), 0.0)
        self.search_steps = add_state(self, "search_steps", (), float(_DEFAULT_STEPS))
        self.multipliers = add_state(self, "multipliers", (len(self.limits),), 0.0)
        # 1 while searching; 0 once the gates are decided.
        self.searching = add_state(self, "searching", (), 1.0)

    def call(
        self,
        inputs: Any,
        keep_probabilities: Any = (),
        scores: Any = (),
        training: bool | None = None,
    ) -> Any:
        # A model that is called twice in a step has the same gates, and one price.
        if training and keras_internals.is_first_in_step(self):
            self._charge(list(keep_probabilities), list(scores))
        return inputs

    def _charge(self, keep_probabilities: list[Any], scores: list[Any]) -> None:
        searching = ops.convert_to_tensor(self.searching)
        steps = ops.convert_to_tensor(self.search_steps)
        progress = ops.clip(self._fallen(self.step, steps), 0.0, 1.0)
        targets = ops.convert_to_tensor(self.budgets, dtype="float32")
        targets = 1.0 - progress * (1.0 - targets)
        shares = self._priced(keep_probabilities, scores, targets)
        error = ops.stop_gradient(shares) - targets
        multipliers = ops.convert_to_tensor(self.multipliers)
        price = ops.relu(multipliers + _PROPORTIONAL * error) * searching
        self.add_loss(ops.sum(ops.stop_gradient(price) * shares))
        moved = ops.relu(multipliers + error * (_INTEGRAL / steps))
        self.multipliers.assign(moved)
        self.step.assign_add(1.0)

    def _fallen(self, step: Any, steps: Any) -> Any:
        """How far the target has fallen: from 0 on, and up to 1."""
        return (step / (self.ramp * steps) - self.warmup) / (1.0 - self.warmup)

    def _priced(
        self, keep_probabilities: list[Any], scores: list[Any], targets: Any
    ) -> Any:
        """`shares`, with the gradient of those who pay."""
        if not scores:
            return self.shares(keep_probabilities)
        found = []
        for place, limit in enumerate(self.limits):
            chosen = charged(scores, limit["units"], targets[place])
            pairs = zip(keep_probabilities, chosen, strict=True)
            paying = [with_gradient_of(keep, one) for keep, one in pairs]
            found.append(self._share(place, paying))
        return ops.stack(found)

    def shares(self, keep_probabilities: list[Any]) -> Any:
        """Expected costs as fractions of the dense ones, shape `(limits,)`."""
        places = range(len(self.limits))
        return ops.stack([self._share(place, keep_probabilities) for place in places])

    def _share(self, place: int, keep_probabilities: list[Any]) -> Any:
        """Of one limit."""
        cost = self.costs[place].expected(keep_probabilities)
        return cost / self.limits[place]["dense"]

    @property
    def budgets(self) -> list[float]:
        """The limits as fractions of the dense costs."""
        return [limit["most"] / limit["dense"] for limit in self.limits]

    def targets(self) -> list[float]:
        """The targets at this step, as fractions of the dense costs."""
        step, steps = (
            float(ops.convert_to_numpy(one)) for one in (self.step, self.search_steps)
        )
        progress = min(max(self._fallen(step, steps), 0.0), 1.0)
        return [1.0 - progress * (1.0 - budget) for budget in self.budgets]

    def as_limits(self, entries: list[dict[str, Any]] | None = None) -> list[Limit]:
        """The limits for the final, integer decision.

        Args:
            entries: what to take in the place of the controller's own `limits`.
        """
        return [
            Limit(cost, float(entry["most"]))
            for cost, entry in zip(self.costs, entries or self.limits, strict=True)
        ]

    def limits_of(self, budget: Budget) -> list[dict[str, Any]]:
        """The `limits` of another budget; costs that it does not name are free.

        Raises:
            BudgetError: it names a cost that this controller does not count.
        """
        dense = {
            cost.name: float(entry["dense"])
            for cost, entry in zip(self.costs, self.limits, strict=True)
        }
        for name in budget.costs:
            if name not in dense:
                raise BudgetError(
                    "a budget of costs that the model was masked with, "
                    f"{' and '.join(dense)}",
                    f"one of {name}",
                    f"Mask with {name}=1.0 in the Budget: that limits nothing and "
                    "keeps the cost at hand.",
                )
        most = budget.limits(dense)
        return [
            {**entry, "most": min(most.get(name, dense[name]), dense[name])}
            for (name, entry) in zip(dense, self.limits, strict=True)
        ]

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "limits": self.limits,
            "gate_names": self.gate_names,
            "search": self.search,
            "ramp": self.ramp,
            "warmup": self.warmup,
        }


def _without_dtype(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in kwargs.items() if k not in ("dtype", "autocast")}
