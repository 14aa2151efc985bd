"""Budget: what the device affords, said by the user."""

from dataclasses import dataclass
from numbers import Real

from keras_diffmask.costs import NAMES
from keras_diffmask.errors import BudgetError, InvalidArgumentError


@dataclass(frozen=True)
class Budget:
    """What the stripped model may cost, instead of a penalty to tune.

    A number up to 1.0 is a fraction of the dense model's cost, a whole number
    above 1 is the cost itself. Several may be given; all of them hold. There
    is nothing else to set: inside `fit` the gates search for the first
    `search` of the steps, under a target that falls from the dense cost to
    the budget; then they are decided such that the integer cost meets every
    budget, and the rest of the steps trains the decided network.

    Args:
        macs: multiply-accumulates per example, in (0, 1] or a whole number.
        parameters: entries of all weights, in (0, 1] or a whole number.
        search: float in (0, 1), the share of the steps spent searching.
        ramp: float in (0, 1], the share of the search over which the target
            falls.

    Raises:
        BudgetError: no cost was named, or one is not positive.
        InvalidArgumentError: `search` or `ramp` is outside its range.

    Example:

    >>> import keras_diffmask as kd
    >>> kd.Budget(macs=0.3).limits({"macs": 1000.0})
    {'macs': 300.0}

    Reference:
        The controller follows Wang, Wohlwend and Lei, arXiv:1910.04732
        (ramped target), and Gallego-Posada et al., arXiv:2208.04425
        (Lagrange multiplier by gradient ascent).
    """

    macs: float | None = None
    parameters: float | None = None
    search: float = 0.5
    ramp: float = 0.7

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in NAMES}
        given = {name: value for name, value in given.items() if value is not None}
        if not given:
            raise BudgetError(
                f"at least one of {', '.join(NAMES)}",
                "an empty Budget()",
                "Write for example Budget(macs=0.3).",
            )
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, Real):
                raise _bad(name, value)
            number = float(value)
            if not 0 < number < float("inf") or (number > 1 and number % 1):
                raise _bad(name, value)
        for name in ("search", "ramp"):
            if not 0 < getattr(self, name) <= 1:
                raise InvalidArgumentError(
                    f"{name} in (0, 1]",
                    f"{name}={getattr(self, name)!r}",
                    "Leave it out for the default.",
                )

    def limits(self, dense: dict[str, float]) -> dict[str, float]:
        """The absolute limit of each cost that was given.

        Args:
            dense: name -> cost of the dense model.
        """
        limits = {}
        for name in NAMES:
            value = getattr(self, name)
            if value is not None:
                limits[name] = (
                    float(value) * dense[name] if value <= 1 else float(value)
                )
        return limits


def _bad(name: str, value: object) -> BudgetError:
    return BudgetError(
        f"{name} as a fraction in (0, 1] or a whole number above 1",
        f"{name}={value!r}",
        f"Write {name}=0.3 for 30 % of the dense model.",
    )
