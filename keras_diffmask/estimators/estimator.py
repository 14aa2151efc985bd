"""The interface every mask estimator keeps."""

from typing import Any

import keras
from keras import ops

from keras_diffmask.errors import InvalidArgumentError


class Estimator:
    """Maps gate logits to a mask, differentiably.

    An estimator holds no variables: a `Gate` owns the logits and asks its
    estimator four questions about them. Every tensor is float32, whatever the
    precision of the layers that use the mask.

    A new estimator is a subclass in a file of its own, one line in
    `estimators.ALL_OBJECTS`, and one NumPy oracle in the tests.

    Args:
        initial_keep: float in (0, 1), P(mask != 0) at the start of training.
    """

    #: The logits that training may reach. Within them a closed gate can still
    #: come back: further out the gradient of a sigmoid vanishes.
    logit_range: tuple[float, float] = (-4.6, 4.6)

    def __init__(self, initial_keep: float) -> None:
        if not 0.0 < float(initial_keep) < 1.0:
            raise InvalidArgumentError(
                "initial_keep in the open interval (0, 1)",
                f"initial_keep={initial_keep!r}",
                "Pass the probability that a gate is open at the start.",
            )
        self.initial_keep = float(initial_keep)

    def initial_logit(self) -> float:
        """The logit at which `keep_probability` equals `initial_keep`."""
        raise NotImplementedError(f"{type(self).__name__} must define initial_logit")

    def sample(self, logits: Any, seed: keras.random.SeedGenerator) -> Any:
        """The training mask, same shape as `logits`, with its gradient."""
        raise NotImplementedError(f"{type(self).__name__} must define sample")

    def decide(self, logits: Any) -> Any:
        """The inference mask: deterministic, exactly 0 where a unit is closed."""
        raise NotImplementedError(f"{type(self).__name__} must define decide")

    def keep_probability(self, logits: Any) -> Any:
        """P(training mask != 0), with the gradient that penalties use."""
        raise NotImplementedError(f"{type(self).__name__} must define keep_probability")

    def get_config(self) -> dict[str, Any]:
        return {"initial_keep": self.initial_keep}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Estimator":
        return cls(**config)


def logistic_noise(shape: Any, seed: keras.random.SeedGenerator) -> Any:
    """Samples log(u) - log(1 - u), u uniform on (1e-6, 1 - 1e-6), float32."""
    u = keras.random.uniform(shape, 1e-6, 1.0 - 1e-6, dtype="float32", seed=seed)
    return ops.log(u) - ops.log(1.0 - u)


def straight_through(forward: Any, backward: Any) -> Any:
    """`forward` in the forward pass, the gradient of `backward` in the other.

    Written so that the value is exactly `forward`: the two `backward` terms
    cancel to 0.0, while `backward + (forward - backward)` rounds.
    """
    return ops.stop_gradient(forward) + (backward - ops.stop_gradient(backward))
