"""The interface every penalty on gates keeps."""

from typing import Any

from keras_diffmask import schedules
from keras_diffmask.errors import InvalidArgumentError


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
        return schedules.at(self.strength, gate.steps()) * self.penalty(gate)

    def penalty(self, gate: Any) -> Any:
        """What is multiplied by the strength."""
        raise NotImplementedError(f"{type(self).__name__} must define penalty")

    def check(self, gate: Any) -> None:
        """Refuse a gate whose estimator this penalty says nothing about.

        Raises:
            InvalidArgumentError: with the estimators it is made for.
        """
        name = type(gate.estimator).__name__
        if self.estimators and name not in self.estimators:
            raise InvalidArgumentError(
                f"an estimator that {type(self).__name__} is a penalty for in gate "
                f"{gate.name!r}: {', '.join(self.estimators)}",
                f"{name}",
                "Pass regularizers.L0(1e-4), which is one for every estimator.",
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
