"""Relaxed Bernoulli gates: the Gumbel-softmax of two classes."""

import math
from typing import Any

import keras
from keras import ops

from keras_diffmask import schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators.estimator import (
    Estimator,
    logistic_noise,
)
from keras_diffmask.gradients import straight_through


@keras.saving.register_keras_serializable("keras_diffmask")
class GumbelSigmoid(Estimator):
    """Bernoulli gates, relaxed so that a gradient goes through the sample.

    Training, with logit `a` and `u` uniform on (0, 1):

        soft = sigmoid((log(u) - log(1 - u) + a) / temperature)
        mask = 1 if soft > 0.5 else 0      (hard=True)
        mask = soft                        (hard=False)

    The difference of two Gumbel variables is this logistic one, so that
    `soft` is the first entry of a Gumbel-softmax over the classes "open" and
    "closed" with P(open) = sigmoid(a).

    Backward, hard or soft, the gradient is that of the soft sample:
    soft * (1 - soft) / temperature.

    Inference, without noise: mask = 1 if a > 0 else 0. The penalty counts

        sigmoid(a) = P(soft > 0.5)

    which for hard=True is P(mask != 0). A soft mask is never exactly 0: what
    is counted of it is the probability that it rounds to 1, at any
    temperature.

    Args:
        hard: bool, whether the training mask is 0 or 1, or in between.
        temperature: float > 0, or a schedule of such. Near 0 the soft sample
            is almost binary and its gradient mostly 0; large, it is smooth.
        initial_keep: float in (0.5, 1); gates start at its logit.

    Raises:
        InvalidArgumentError: the temperature is not positive at every step,
            or `initial_keep` is such that the gates would start closed.

    Example:

    >>> from keras_diffmask import estimators, schedules
    >>> fall = schedules.Exponential(2.0, 0.5, steps=10_000)
    >>> estimator = estimators.GumbelSigmoid(temperature=fall)
    >>> [float(v) for v in estimator.decide([-0.1, 0.1])]
    [0.0, 1.0]

    Reference:
        Maddison, Mnih and Teh, The Concrete Distribution, ICLR 2017,
        arXiv:1611.00712 (binary concrete; `a` is log alpha, `temperature`
        lambda). Jang, Gu and Poole, Categorical Reparameterization with
        Gumbel-Softmax, ICLR 2017, arXiv:1611.01144 (`temperature` is tau,
        hard=True its straight-through form).
    """

    open_above = 0.5

    def __init__(
        self,
        hard: bool = True,
        temperature: Any = 2.0 / 3.0,
        initial_keep: float = 0.9,
    ) -> None:
        super().__init__(initial_keep)
        if self.initial_keep <= 0.5:
            raise InvalidArgumentError(
                "initial_keep in (0.5, 1), so that the gates start open",
                f"initial_keep={initial_keep!r}",
                "Raise initial_keep.",
            )
        self.hard = bool(hard)
        self.temperature = schedules.get(temperature, "temperature", above=0.0)

    def initial_logit(self) -> float:
        return math.log(self.initial_keep / (1.0 - self.initial_keep))

    def sample(
        self, logits: Any, seed: keras.random.SeedGenerator, step: Any = 0.0
    ) -> Any:
        noisy = logistic_noise(ops.shape(logits), seed) + logits
        soft = ops.sigmoid(noisy / schedules.at(self.temperature, step))
        # soft > 0.5 without its rounding, which a high temperature would show.
        return straight_through(self.decide(noisy), soft) if self.hard else soft

    def decide(self, logits: Any, step: Any = 0.0) -> Any:
        logits = ops.convert_to_tensor(logits, dtype="float32")
        return ops.cast(logits > 0.0, "float32")

    def keep_probability(self, logits: Any, step: Any = 0.0) -> Any:
        return ops.sigmoid(logits)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hard": self.hard,
            "temperature": schedules.serialize(self.temperature),
        }
