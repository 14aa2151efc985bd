"""Hard concrete gates (Louizos, Welling and Kingma 2018)."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators.estimator import Estimator, logistic_noise

_RULES = ("mean", "median")
# How far beyond the logit that closes or opens a gate its range goes.
_MARGIN = 0.2


@keras.saving.register_keras_serializable("keras_diffmask")
class HardConcrete(Estimator):
    """Relaxed gates that are exactly 0 or exactly 1 with positive probability.

    Training, with logit `a` and `u` uniform on (0, 1):

        s = sigmoid((log(u) - log(1 - u) + a) / temperature)
        mask = clip(s * (stretch_high - stretch_low) + stretch_low, 0, 1)

    The gradient is the ordinary one; where the clip saturates it is 0 and
    only the penalty moves the logit. What the penalty counts is

        P(mask != 0) = sigmoid(a - temperature * log(-stretch_low / stretch_high))

    Inference, without noise, by `inference_rule`:

        "mean":   clip(sigmoid(a) * (high - low) + low, 0, 1)
        "median": clip(sigmoid(a / temperature) * (high - low) + low, 0, 1)

    With the default constants the mean rule closes a gate at a <= -2.398 and
    opens it fully at a >= 2.398; the median rule closes at a <= -1.599, which
    is where P(mask != 0) = 1/2. Constants that close or open one only further out
    make `logit_range` wider.

    Args:
        initial_keep: float in (0, 1), P(mask != 0) at the start. The default
            0.985 puts the logit at 2.586, where the inference gate is
            exactly 1: a masked model starts at the function it was made from.
        temperature: float > 0, `beta` of the paper, or a schedule of such.
        stretch_low: float < 0, `gamma` of the paper.
        stretch_high: float > 1, `zeta` of the paper.
        inference_rule: `"mean"` (the authors' code) or `"median"`.

    Raises:
        InvalidArgumentError: a constant is outside its range.

    Example:

    >>> from keras_diffmask import estimators
    >>> estimator = estimators.HardConcrete(initial_keep=0.985)
    >>> [round(float(v), 3) for v in estimator.decide([-3.0, 0.0, 3.0])]
    [0.0, 0.5, 1.0]

    Reference:
        Louizos, Welling and Kingma, Learning Sparse Neural Networks through
        L0 Regularization, ICLR 2018, arXiv:1712.01312, equations 10 to 13
        (`a` is log alpha). Used on LSTM neurons by Wen et al.,
        arXiv:1906.06847.
    """

    def __init__(
        self,
        initial_keep: float = 0.985,
        temperature: Any = 2.0 / 3.0,
        stretch_low: float = -0.1,
        stretch_high: float = 1.1,
        inference_rule: str = "mean",
    ) -> None:
        super().__init__(initial_keep)
        _require(stretch_low < 0, "stretch_low < 0", f"stretch_low={stretch_low!r}")
        _require(stretch_high > 1, "stretch_high > 1", f"stretch_high={stretch_high!r}")
        _require(
            inference_rule in _RULES,
            f"inference_rule to be one of {', '.join(_RULES)}",
            f"inference_rule={inference_rule!r}",
        )
        self.temperature = schedules.get(temperature, "temperature", above=0.0)
        self.stretch_low = float(stretch_low)
        self.stretch_high = float(stretch_high)
        self.inference_rule = inference_rule
        self.logit_range = self._range_of_logits()

    def _range_of_logits(self) -> tuple[float, float]:
        """The usual range, or as much more as it takes to close and open a gate."""
        low, high = self.stretch_low, self.stretch_high
        close, opened = math.log(-low / high), math.log((1.0 - low) / (high - 1.0))
        ends = [1.0]
        if self.inference_rule == "median":
            given = self.temperature
            if isinstance(given, schedules.Schedule):
                ends = [given.start, given.end]
            else:
                ends = [given]
        usual = type(self).logit_range
        found = (
            min(usual[0], *(end * (close - _MARGIN) for end in ends)),
            max(usual[1], *(end * (opened + _MARGIN) for end in ends)),
        )
        s = 1.0 / (1.0 + np.exp(-np.array(found, "float32") / max(ends)))
        mask = s * np.float32(high - low) + np.float32(low)
        _require(
            mask[0] <= 0.0 and mask[1] >= 1.0,
            "constants with which a gate reaches 0 and 1 in float32",
            f"stretch_low={low!r} and stretch_high={high!r}",
        )
        return found

    def _temperature(self, step: Any) -> Any:
        return schedules.at(self.temperature, step)

    def _shift(self, step: Any) -> Any:
        return self._temperature(step) * math.log(-self.stretch_low / self.stretch_high)

    def _stretch(self, s: Any) -> Any:
        width = self.stretch_high - self.stretch_low
        return ops.clip(s * width + self.stretch_low, 0.0, 1.0)

    def initial_logit(self) -> float:
        open_logit = math.log(self.initial_keep / (1.0 - self.initial_keep))
        return open_logit + float(self._shift(0.0))

    def sample(
        self, logits: Any, seed: keras.random.SeedGenerator, step: Any = 0.0
    ) -> Any:
        noise = logistic_noise(ops.shape(logits), seed)
        return self._stretch(ops.sigmoid((noise + logits) / self._temperature(step)))

    def decide(self, logits: Any, step: Any = 0.0) -> Any:
        logits = ops.convert_to_tensor(logits, dtype="float32")
        if self.inference_rule == "median":
            logits = logits / self._temperature(step)
        return self._stretch(ops.sigmoid(logits))

    def keep_probability(self, logits: Any, step: Any = 0.0) -> Any:
        return ops.sigmoid(logits - self._shift(step))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "temperature": schedules.serialize(self.temperature),
            "stretch_low": self.stretch_low,
            "stretch_high": self.stretch_high,
            "inference_rule": self.inference_rule,
        }


def _require(condition: bool, expected: str, received: str) -> None:
    if not condition:
        raise InvalidArgumentError(
            expected, received, "Leave the argument out for the paper's value."
        )
