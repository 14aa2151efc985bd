"""Masks from the scale and offset of BatchNormalization (Kang and Han 2020)."""

import math
import statistics
from typing import Any

import keras
from keras import ops

from keras_diffmask import granularity, schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators.estimator import Estimator, logistic_noise


@keras.saving.register_keras_serializable("keras_diffmask")
class OperationAware(Estimator):
    """Closes the channels that a ReLU behind BatchNormalization turns off.

    Nothing is trained but the normalization's own gamma and beta. They say
    that the channel is about normal with mean beta and deviation |gamma|; its
    logit is how many deviations the mean lies above the threshold,

        a = (beta - threshold) / max(|gamma|, gamma_floor)

    and `cdf = Phi(-a)` how often the ReLU gives (almost) nothing. With `u`
    uniform on (0, 1), the training mask is soft:

        p_drop = sigmoid(sharpness * (cdf - cutoff))
        mask = sigmoid((log(u) - log(1 - u) - sharpness * (cdf - cutoff))
                       / temperature)

    with the ordinary gradient, to gamma and beta. What penalties count is
    `1 - p_drop`. Inference: mask = 1 if cdf <= cutoff else 0, which with the
    default constants is `beta + 1.645 * |gamma| >= 0.05`.

    The mask multiplies gamma and beta. In front of a ReLU that is the paper's
    mask behind it, since relu(m * y) = m * relu(y) for m >= 0. In front of a
    ReLU6 the two agree at every 0/1 decision, not where a soft mask meets the
    bound. An activation that lets through what is negative (swish, GELU, a
    leaky ReLU) makes the rule meaningless: `mask_model` leaves such layers
    whole, or refuses them where they were asked for.

    p_drop never exceeds sigmoid(sharpness * (1 - cutoff)), 0.731 here: the
    training mask of a dead channel is on 27 % of the time, and says nothing
    about sparsity. Its gradient to beta is 0.516 / |gamma| at the boundary and
    only 0.0015 for a new layer, so `regularizers.OperationAwarePenalty` does
    the early work. A channel with tiny gamma and beta above the threshold is
    an (almost) constant one, and stays. A new layer (gamma 1, beta 0) starts
    open with p_drop 0.00018; in a trained model channels may be closed by
    what its gamma and beta are already.

    Budgets rank units by `a`: in the order of the cdf, but where that is 0
    or 1 in float32 too, and in deviations, which compare between layers.

    Args:
        threshold: float, what a channel has to exceed to be on.
        sharpness: float > 0, `k` of the paper.
        cutoff: float in (0, 1), the share of time off at which p_drop is 1/2.
        temperature: float > 0, or a schedule.
        gamma_floor: float > 0, the least deviation. The gradient grows as
            1 / |gamma|; the authors have 1e-8, where it is without bound.

    Raises:
        InvalidArgumentError: a constant is outside its range.

    Example:

    >>> import numpy as np
    >>> from keras_diffmask import estimators
    >>> estimator = estimators.OperationAware()
    >>> gamma, beta = np.float32([1.0, 1.0, 0.1]), np.float32([0.0, -1.7, -0.1])
    >>> logits = estimator.logits_from(None, (gamma, beta))
    >>> [float(v) for v in estimator.decide(logits)]
    [1.0, 0.0, 1.0]

    Reference:
        Kang and Han, Operation-Aware Soft Channel Pruning using Differentiable
        Masks, ICML 2020, arXiv:2007.03938. Constants as in the authors' code.
    """

    # Training masks are soft: where the decision lies.
    open_above = 0.5
    granularities = (granularity.CHANNEL,)
    reads = ("gamma", "beta")
    carrier = keras.layers.BatchNormalization
    followed_by = ("relu", "relu6")

    def __init__(
        self,
        threshold: float = 0.05,
        sharpness: float = 20.0,
        cutoff: float = 0.95,
        temperature: Any = 0.5,
        gamma_floor: float = 1e-3,
    ) -> None:
        for is_right, expected, received in (
            (math.isfinite(threshold), "a finite threshold", f"{threshold=}"),
            (0 < sharpness < math.inf, "a finite sharpness > 0", f"{sharpness=}"),
            (0 < cutoff < 1, "cutoff in the open interval (0, 1)", f"{cutoff=}"),
            (0 < gamma_floor < math.inf, "gamma_floor > 0", f"{gamma_floor=}"),
        ):
            if not is_right:
                next_step = "Leave the argument out for the authors' value."
                raise InvalidArgumentError(expected, received, next_step)
        self.threshold = float(threshold)
        self.sharpness = float(sharpness)
        self.cutoff = float(cutoff)
        self.temperature = schedules.get(temperature, "temperature", above=0.0)
        self.gamma_floor = float(gamma_floor)
        normal = statistics.NormalDist()
        # The logit at which cdf is the cutoff: -1.645.
        self._edge = -normal.inv_cdf(self.cutoff)
        low, high = type(self).logit_range
        self.logit_range = (min(low, self._edge - 0.1), max(high, self._edge + 0.1))
        drop = self.sharpness * (normal.cdf(-self.initial_logit()) - self.cutoff)
        super().__init__(min(max(1.0 / (1.0 + math.exp(drop)), 1e-9), 1.0 - 1e-9))

    def initial_logit(self) -> float:
        """That of a new layer: gamma 1, beta 0."""
        return min(max(-self.threshold, self.logit_range[0]), self.logit_range[1])

    def initial_gate(self) -> float:
        return 1.0

    def variable_shape(self, mask_shape: tuple[int, ...]) -> None:
        return None

    def logits_from(self, variable: Any, weights: tuple[Any, ...]) -> Any:
        gamma, beta = weights
        deviation = ops.maximum(ops.abs(gamma), self.gamma_floor)
        return (beta - self.threshold) / deviation

    def _drop(self, logits: Any) -> Any:
        """The logit of p_drop."""
        logits = ops.convert_to_tensor(logits, dtype="float32")
        cdf = 0.5 * (1.0 - ops.erf(logits / math.sqrt(2.0)))
        return self.sharpness * (cdf - self.cutoff)

    def sample(
        self, logits: Any, seed: keras.random.SeedGenerator, step: Any = 0.0
    ) -> Any:
        noise = logistic_noise(ops.shape(logits), seed)
        temperature = schedules.at(self.temperature, step)
        return ops.sigmoid((noise - self._drop(logits)) / temperature)

    def decide(self, logits: Any, step: Any = 0.0) -> Any:
        # In deviations rather than by the cdf, which rounds.
        logits = ops.convert_to_tensor(logits, dtype="float32")
        return ops.cast(logits >= self._edge, "float32")

    def keep_probability(self, logits: Any, step: Any = 0.0) -> Any:
        # So, and not sigmoid(-drop): rounded to 1 that has no gradient.
        return 1.0 - ops.sigmoid(self._drop(logits))

    def get_config(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "sharpness": self.sharpness,
            "cutoff": self.cutoff,
            "temperature": schedules.serialize(self.temperature),
            "gamma_floor": self.gamma_floor,
        }
