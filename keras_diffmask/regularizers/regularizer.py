"""The interface every penalty on gates keeps."""

from typing import Any

from keras_diffmask import schedules
from keras_diffmask.errors import InvalidArgumentError

_ON_COUNTS = "Pass regularizers.L0(1e-4), which counts the weights that are kept."
_ON_ROWS = "Pass regularizers.Entropy(1e-5), which makes up its mind, or no penalty."


class GateRegularizer:
    """A function of a gate that is added to the loss.

    Args:
        strength: float >= 0, or a schedule of such (a ramp from 0 gives the
            weights time to become useful before gates close).

    Raises:
        InvalidArgumentError: `strength` is negative or not finite.
    """

    #: Names of the estimators that it has a meaning for; empty for all.
    estimators: tuple[str, ...] = ()
    #: Whether it is a function of how many weights are left and of nothing else
    #: of a gate. `mask_model` then counts those of the whole model at once.
    counts_weights: bool = False

    def __init__(self, strength: Any = 1e-4) -> None:
        # A ramp may begin at 0, and 0 switches the penalty off.
        self.strength = schedules.get(strength, "strength", least=0.0)

    def __call__(self, gate: Any) -> Any:
        """The penalty of a `Gate`: a float32 scalar, with its gradient."""
        return schedules.at(self.strength, gate.at_step()) * self.penalty(gate)

    def penalty(self, gate: Any) -> Any:
        """What is multiplied by the strength."""
        raise NotImplementedError(f"{type(self).__name__} must define penalty")

    def check(self, gate: Any) -> None:
        """Refuse a gate whose estimator this penalty says nothing about.

        Raises:
            InvalidArgumentError: with the estimators it is made for.
        """
        name = type(gate.estimator).__name__
        penalty = type(self).__name__
        fixed = gate.estimator.has_fixed_count
        if self.counts_weights and fixed:
            # The sum of its soft masks is k as well: the gradient is 0.
            raise InvalidArgumentError(
                f"for {penalty}, which counts what is kept, an estimator that finds "
                f"out how much that is in gate {gate.name!r}",
                f"{name}, which keeps exactly k of n whatever the penalty",
                _ON_ROWS,
            )
        if self.estimators and name not in self.estimators:
            raise InvalidArgumentError(
                f"an estimator that {penalty} is a penalty for in gate "
                f"{gate.name!r}: {', '.join(self.estimators)}",
                f"{name}",
                _ON_ROWS if fixed else _ON_COUNTS,
            )

    @property
    def is_scheduled(self) -> bool:
        """Whether the strength changes with the training step."""
        return isinstance(self.strength, schedules.Schedule)

    def get_config(self) -> dict[str, Any]:
        return {"strength": schedules.serialize(self.strength)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GateRegularizer":
        return cls(**config)
