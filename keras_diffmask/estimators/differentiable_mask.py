"""Deterministic masks on a learned scale (Ramakrishnan, Sari and Partovi Nia 2020)."""

from typing import Any

import keras
from keras import ops

from keras_diffmask import schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators.estimator import Estimator
from keras_diffmask.estimators.straight_through import SURROGATES
from keras_diffmask.gradients import straight_through

_FORMS = ("scaled", "mask")
#: Scales start here: a masked model is then the one that it was made from.
_START = 1.0


@keras.saving.register_keras_serializable("keras_diffmask")
class DifferentiableMask(Estimator):
    """A trained scale, and a unit that goes where its scale is small.

    What is trained is the scale `a` itself, 1 at the start. Forward, in
    training and inference alike, by `form`:

        "scaled":  mask = a if |a| > threshold else 0
        "mask":    mask = 1 if |a| > threshold else 0

    Backward, so that a closed unit can come back (with sign(0) = 1):

        "scaled":  d mask / d a = 1, open or closed
        "mask":    d mask / d a = sign(a) max(0, 1 - ||a| - threshold| / width)

    The penalty counts open units, 1 where |a| > threshold, with the gradient
    of |a|: a budget or an L0 penalty shrinks scales, as the L1 penalty on
    scales does (`regularizers.L1`). Units are ranked by |a|.

    The paper's full text was not at hand when this was written. That there
    is one differentiable mask for weights, filters, nodes and sub-networks,
    trained in a single stage, is its abstract; that a scale multiplies what
    is masked and closes it at or below a threshold is a patent (US
    12,039,448) that appears to be the same authors'; the straight-through
    gradients and the default threshold are a reading of both, of which
    "scaled" is the nearer one and "mask" the usual alternative.

    With "scaled":
    - masks are not confined to [0, 1]: a scale may grow, or turn negative.
      The strip multiplies it into the weights, whatever its value.
    - (a, W) and (c a, W / c) are one function. A penalty on scales alone
      drives them under the threshold while the weights grow, and what it
      closes was not useless. Decay the weights (`kernel_regularizer=` or the
      optimizer's `weight_decay`).
    - what `set_keep` opens keeps its scale, which is at least the threshold.

    Args:
        threshold: float in (0, 1), or a schedule of such. In units of the
            scale, which starts at 1.
        form: `"scaled"` or `"mask"`, see above.
        width: float > 1, half the base of the triangle that stands in for the
            derivative of the step in the form "mask". In "scaled" it has no
            effect.

    Raises:
        InvalidArgumentError: an argument is outside its range.

    Example:

    >>> from keras_diffmask import estimators
    >>> estimator = estimators.DifferentiableMask(threshold=0.25)
    >>> [float(v) for v in estimator.decide([-0.5, -0.25, 0.0, 0.25, 1.5])]
    [-0.5, 0.0, 0.0, 0.0, 1.5]

    Reference:
        Ramakrishnan, Sari and Partovi Nia, Differentiable Mask for Pruning
        Convolutional and Recurrent Networks, CRV 2020, arXiv:1909.04567.
    """

    #: Wide enough for any scale, and for the way back from a sign change.
    logit_range = (-10.0, 10.0)

    def __init__(
        self, threshold: Any = 0.05, form: str = "scaled", width: float = 2.0
    ) -> None:
        # The base class' probability is of gates that open at random.
        super().__init__(initial_keep=0.5)
        self.threshold = schedules.get(threshold, "threshold", above=0.0, below=_START)
        if form not in _FORMS:
            words = " or ".join(map(repr, _FORMS))
            raise _bad(f"form to be {words}", f"form={form!r}", "one of these")
        # At 1, where scales start, a narrower triangle would have ended.
        if not _START < float(width) < float("inf"):
            raise _bad("a finite width > 1", f"width={width!r}", "2.0")
        self.form, self.width = form, float(width)
        if form == "mask":
            # Beyond the triangle the gradient is 0, and a scale would stay there.
            reach = min(0.5 * (_START + self.width), self.logit_range[1])
            self.logit_range = (-reach, reach)
        else:
            self.mask_range = self.logit_range

    def initial_logit(self) -> float:
        return _START

    def sample(
        self, logits: Any, seed: keras.random.SeedGenerator, step: Any = 0.0
    ) -> Any:
        hard = self.decide(logits, step)
        if self.form == "scaled":
            return straight_through(hard, logits)
        beyond = (_magnitude(logits) - schedules.at(self.threshold, step)) / self.width
        return straight_through(hard, self.width * SURROGATES["triangle"](beyond))

    def decide(self, logits: Any, step: Any = 0.0) -> Any:
        logits = ops.convert_to_tensor(logits, dtype="float32")
        is_open = self._is_open(logits, step)
        if self.form == "mask":
            return is_open
        # Not their product: of a negative scale that is -0.0.
        return ops.where(is_open > 0.0, logits, 0.0)

    def keep_probability(self, logits: Any, step: Any = 0.0) -> Any:
        return straight_through(self._is_open(logits, step), _magnitude(logits))

    def _is_open(self, logits: Any, step: Any) -> Any:
        threshold = schedules.at(self.threshold, step)
        return ops.cast(ops.abs(logits) > threshold, "float32")

    def scale(self, logits: Any, step: Any = 0.0) -> Any:
        if self.form == "mask":
            return 1.0
        # Not below the threshold: what is opened by hand is open.
        least = schedules.at(self.threshold, step)
        sign = ops.where(logits < 0.0, -1.0, 1.0)
        return straight_through(sign * ops.maximum(ops.abs(logits), least), logits)

    def score(self, logits: Any) -> Any:
        return _magnitude(logits)

    def get_config(self) -> dict[str, Any]:
        return {
            "threshold": schedules.serialize(self.threshold),
            "form": self.form,
            "width": self.width,
        }


def _magnitude(a: Any) -> Any:
    """|a|, with gradient 1 at 0: that of `ops.abs` depends on the backend there."""
    return ops.where(a < 0.0, -a, a)


def _bad(expected: str, received: str, example: str) -> InvalidArgumentError:
    return InvalidArgumentError(expected, received, f"Pass {example}.")
