"""The methods that are compared: an estimator, a granularity, a way to the budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask import estimators
from keras_diffmask.budget import Budget
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.surgery import plan
from keras_diffmask.masking import MaskedModel, mask_model
from keras_diffmask.regularizers import L0
from keras_diffmask.schedules import Linear

# Per expected kept weight in the mean loss, on the validation part: about a
# third of the weights were left. Nothing steers the weights of a method that
# has neither channels nor a count of its own.
WEIGHT_PENALTY = 4e-6
# How closely a share of channels is fitted to a budget of MACs.
SEARCH_STEPS = 10


@dataclass(frozen=True)
class Method:
    """One row of the comparison.

    Args:
        estimator: its name in `estimators.ALL_OBJECTS`.
        granularity: `"channel"`, or `"weight"` where the method knows none.
    """

    estimator: str
    granularity: str

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.estimator} ({self.granularity}s)"

    @property
    def _class(self) -> Any:
        return estimators.ALL_OBJECTS[self.estimator]

    def mask(self, network: keras.Model, share: float, steps: int) -> MaskedModel:
        """The network with masks that training takes to a budget.

        Args:
            network: the dense network.
            share: fraction of its MACs, or of its weights where no channel can
                go.
            steps: training steps there will be.
        """
        if self._class.has_fixed_count:
            return self._with_count(network, share)
        if self.granularity == "channel":
            return mask_model(network, self.estimator, budget=Budget(macs=share))
        ramp = Linear(0.0, WEIGHT_PENALTY, steps=max(1, steps // 3))
        return mask_model(network, self.estimator, "weight", gate_regularizer=L0(ramp))

    def _with_count(self, network: keras.Model, share: float) -> MaskedModel:
        def masked(k: float) -> MaskedModel:
            return mask_model(network, self._class(k=k), self.granularity)

        if self.granularity == "weight":
            return masked(share)
        return masked(_largest(lambda k: _macs_share(masked(k)) <= share))


def methods(names: Sequence[str] | None = None) -> tuple[Method, ...]:
    """The methods of these estimators, or of all.

    Each acts on channels if it can; and on weights if it cannot, or keeps a
    number of them that is known beforehand.

    Raises:
        InvalidArgumentError: a name that is no estimator's.
    """
    table = estimators.ALL_OBJECTS
    for name in names or ():
        if name not in table:
            raise InvalidArgumentError(
                f"estimators out of {', '.join(table)}",
                f"{name!r}",
                "Pass some of these names, or none for all of them.",
            )
    found = []
    for name in names or table:
        works = table[name].granularities
        if "channel" in works:
            found.append(Method(name, "channel"))
        if "channel" not in works or table[name].has_fixed_count:
            found.append(Method(name, "weight"))
    return tuple(found)


def _macs_share(masked: MaskedModel) -> float:
    before, after = plan(masked).macs
    return after / before


def _largest(fits: Callable[[float], bool]) -> float:
    """The largest share of channels that fits, to one part in a thousand."""
    low, high = 0.0, 1.0
    for _ in range(SEARCH_STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
