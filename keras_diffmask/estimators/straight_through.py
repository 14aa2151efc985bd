"""Binary gates with a straight-through gradient."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators.estimator import Estimator
from keras_diffmask.gradients import straight_through


def _triangle(x: Any) -> Any:
    """Integral of max(0, 1 - |x|)."""
    x = ops.clip(x, -1.0, 1.0)
    return x - 0.5 * x * ops.abs(x)


def _piecewise(x: Any) -> Any:
    """Integral of 2 - 4|x| up to |x| = 0.4, 0.4 up to |x| = 1, 0 beyond."""
    # No sign(x): its product with |x| has gradient 0 at 0, where it must be 2.
    inner = ops.clip(x, -0.4, 0.4)
    outer = ops.clip(x, -1.0, 1.0) - inner
    return 2.0 * inner - 2.0 * inner * ops.abs(inner) + 0.4 * outer


#: Name -> function of the logit whose derivative stands in for that of the step.
SURROGATES: dict[str, Callable[[Any], Any]] = {
    "sigmoid": ops.sigmoid,
    "identity": lambda x: x,
    "clipped_identity": lambda x: ops.clip(x, -1.0, 1.0),
    "triangle": _triangle,
    "piecewise": _piecewise,
}


@keras.saving.register_keras_serializable("keras_diffmask")
class StraightThrough(Estimator):
    """Gates that are 0 or 1 in every pass, with a surrogate gradient.

    Forward, with logit `a` and `u` uniform on (0, 1):

        deterministic:  mask = 1 if a > 0 else 0
        Bernoulli:      mask = 1 if u < sigmoid(a) else 0

    Backward: the step's derivative is replaced by that of `surrogate`:

        sigmoid           sigmoid(a) * (1 - sigmoid(a))
        identity          1
        clipped_identity  1 where |a| <= 1, else 0
        triangle          max(0, 1 - |a|)
        piecewise         2 - 4|a| for |a| < 0.4, 0.4 up to |a| = 1, else 0

    The last three are 0 beyond |a| = 1: choose `initial_keep` so that the
    gates start inside (0.73 puts them at 1). Inference: mask = 1 if a > 0.

    Args:
        bernoulli: bool, whether the training mask is sampled.
        surrogate: one of the names above.
        initial_keep: float in (0.5, 1); gates start at its logit.

    Raises:
        InvalidArgumentError: unknown surrogate, or `initial_keep` at which
            the gates would start closed.

    Example:

    >>> from keras_diffmask import estimators
    >>> estimator = estimators.StraightThrough(bernoulli=True)
    >>> [float(v) for v in estimator.decide([-0.1, 0.1])]
    [0.0, 1.0]

    Reference:
        Bengio, Leonard and Courville, Estimating or Propagating Gradients
        Through Stochastic Neurons for Conditional Computation, 2013,
        arXiv:1308.3432 (the Bernoulli form). `piecewise` is the estimator of
        dynamic sparse training, arXiv:2005.06870.
    """

    def __init__(
        self,
        bernoulli: bool = False,
        surrogate: str = "sigmoid",
        initial_keep: float = 0.9,
    ) -> None:
        super().__init__(initial_keep)
        if self.initial_keep <= 0.5:
            raise InvalidArgumentError(
                "initial_keep in (0.5, 1), so that the gates start open",
                f"initial_keep={initial_keep!r}",
                "Raise initial_keep.",
            )
        if surrogate not in SURROGATES:
            raise InvalidArgumentError(
                f"surrogate to be one of {', '.join(SURROGATES)}",
                f"surrogate={surrogate!r}",
                "Pass one of these names.",
            )
        self.bernoulli = bool(bernoulli)
        self.surrogate = surrogate

    def initial_logit(self) -> float:
        return math.log(self.initial_keep / (1.0 - self.initial_keep))

    def sample(
        self, logits: Any, seed: keras.random.SeedGenerator, step: Any = 0.0
    ) -> Any:
        if not self.bernoulli:
            return straight_through(self.decide(logits), self._soft(logits))
        u = keras.random.uniform(ops.shape(logits), dtype="float32", seed=seed)
        hard = ops.cast(u < ops.sigmoid(logits), "float32")
        return straight_through(hard, self._soft(logits))

    def decide(self, logits: Any, step: Any = 0.0) -> Any:
        logits = ops.convert_to_tensor(logits, dtype="float32")
        return ops.cast(logits > 0.0, "float32")

    def keep_probability(self, logits: Any, step: Any = 0.0) -> Any:
        if self.bernoulli:
            return ops.sigmoid(logits)
        # Nothing is random: the mask itself is its own expectation.
        return straight_through(self.decide(logits), self._soft(logits))

    def _soft(self, logits: Any) -> Any:
        return SURROGATES[self.surrogate](logits)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "bernoulli": self.bernoulli,
            "surrogate": self.surrogate,
        }
