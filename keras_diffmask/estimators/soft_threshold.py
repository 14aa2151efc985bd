"""One trained threshold per layer (Manessi et al. 2018)."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import granularity, schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators.estimator import Estimator
from keras_diffmask.gradients import straight_through

#: What a threshold may be, in the unit of the weights.
_SMALLEST, _LARGEST = 1e-10, 1e3
# Below it a weight counts as so small: log 0 is not finite.
_FLOOR = 1e-30
# |log(|w| / t)| is clipped here: squares of the ratio are still float32.
_FAR = 30.0


@keras.saving.register_keras_serializable("keras_diffmask")
class SoftThreshold(Estimator):
    """Weights above a threshold that is trained together with them.

    One number `t` is trained per layer, through its logarithm, so that it
    cannot reach 0. With the logit `a = log(|w| / t)`, the ratio
    `r = exp(a) = |w| / t` and the sharpness `A`, training multiplies the
    weight by

        mask = (relu(r - 1) + sigmoid(A * (r - 1)) - sigmoid(-A * (r + 1))) / r

    which makes `mask * w` the paper's shrinkage function

        T(w; t, alpha) = relu(w - t) + t * sigmoid(alpha * (w - t))
                         - relu(-w - t) - t * sigmoid(alpha * (-w - t))

    at `alpha = A / t`. The paper's alpha is absolute; this one is relative,
    because what counts is `alpha * t`: with a fixed alpha a small threshold
    degrades towards soft thresholding (at t = 0.01 and alpha = 100, where
    `A` is 1, T leaves a weight of t / 2 at 0.195 t, and takes 16 % off one of
    2 t). For the paper's alpha at a threshold `t0` pass `alpha * t0`.

    The gradient is the ordinary one, of which `t` gets the sum over the layer.
    It is steep at |w| = t (dT/dw is 0.5 + A / 4) and all but 0 for |w| well
    below t: such weights are frozen, as in magnitude pruning. Inference:
    mask = 1 if |w| > t else 0. At finite `A` no training mask is exactly 0.

    Penalties count a weight as kept if |w| > t, with the gradient of
    `sigmoid(a)` in place of the step's, which is felt over two decades of |w|
    and reaches `t` and the weight alike. The paper's own regularizer was not
    found: `regularizers.L0` is the differentiable count just said, and
    `regularizers.LogThreshold` pushes `t` alone.

    Args:
        initial_threshold: float in [1e-10, 1e3], where `t` starts, in the unit
            of the weights; or None (default) for half of the smallest
            magnitude above 0 of each layer, so that training starts at the
            original function. A larger one, such as the magnitude that 1 to
            5 % of the weights are below, saves the steps up to it.
        sharpness: float > 0, or a schedule: `A`, of which 10 to 50 are useful.

    Raises:
        InvalidArgumentError: a constant is outside its range.

    Example:

    >>> import math, numpy as np
    >>> from keras_diffmask import estimators
    >>> estimator = estimators.SoftThreshold(initial_threshold=0.5)
    >>> w, t = np.array([-2.0, 0.4, 0.6], "float32"), np.float32(math.log(0.5))
    >>> [float(v) for v in estimator.decide(estimator.logits_from(t, (w,)))]
    [1.0, 0.0, 1.0]

    Reference:
        Manessi, Rozza, Bianco, Napoletano and Schettini, Automated Pruning for
        Deep Neural Network Compression, ICPR 2018, arXiv:1712.01721
        (`sharpness` is alpha * t). One threshold per layer, and the surrogate
        of the count, are readings of a text that leaves them open.
    """

    #: Of log t: what the trained variable may reach.
    logit_range = (math.log(_SMALLEST), math.log(_LARGEST))
    # Training masks are soft: where the decision lies.
    open_above = 0.5
    granularities = (granularity.WEIGHT,)
    reads = ("kernel",)

    def __init__(
        self, initial_threshold: float | None = None, sharpness: Any = 20.0
    ) -> None:
        # Nothing is random: what is open at the start is open surely.
        super().__init__(initial_keep=1.0 - 1e-6)
        if initial_threshold is not None:
            _require_threshold(initial_threshold)
            initial_threshold = float(initial_threshold)
        self.initial_threshold = initial_threshold
        self.sharpness = schedules.get(sharpness, "sharpness", above=0.0)

    def initial_logit(self) -> float:
        """Where the variable starts, log t, if no weights are known."""
        return math.log(self.initial_threshold or 1e-3)

    def initial_gate(self) -> float:
        return 1.0

    def variable_shape(self, mask_shape: tuple[int, ...]) -> tuple[int, ...]:
        return ()

    def initial_value(
        self, shape: tuple[int, ...], importance: np.ndarray | None
    ) -> np.ndarray:
        start = self.initial_logit()
        sizes = importance[importance > 0.0] if importance is not None else ()
        if self.initial_threshold is None and len(sizes):
            start = math.log(0.5 * float(np.min(sizes)))
        return np.clip(np.full(shape, start, np.float32), *self.logit_range)

    def logits_from(self, variable: Any, weights: tuple[Any, ...]) -> Any:
        (kernel,) = weights
        return ops.log(ops.maximum(ops.abs(kernel), _FLOOR)) - variable

    def sample(
        self, logits: Any, seed: keras.random.SeedGenerator, step: Any = 0.0
    ) -> Any:
        r = ops.exp(ops.clip(logits, -_FAR, _FAR))
        sharp = schedules.at(self.sharpness, step)
        # The difference of the two sigmoids, as a product: near r = 0 they are
        # equal in float32, and their difference is divided by r.
        steps = (
            _sigmoid(sharp * (r - 1.0))
            * _sigmoid(sharp * (r + 1.0))
            * -ops.expm1(-2.0 * sharp * r)
        )
        # relu(r - 1) = r - 1 above 1, in a form that rounds to at most 1.
        return ops.where(r > 1.0, 1.0 - (1.0 - steps) / r, steps / r)

    def decide(self, logits: Any, step: Any = 0.0) -> Any:
        logits = ops.convert_to_tensor(logits, dtype="float32")
        return ops.cast(logits > 0.0, "float32")

    def keep_probability(self, logits: Any, step: Any = 0.0) -> Any:
        return straight_through(self.decide(logits), ops.sigmoid(logits))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_threshold": self.initial_threshold,
            "sharpness": schedules.serialize(self.sharpness),
        }


def _sigmoid(x: Any) -> Any:
    return ops.sigmoid(ops.clip(x, -60.0, 60.0))


def _require_threshold(value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and _SMALLEST <= value <= _LARGEST:
        return
    raise InvalidArgumentError(
        f"initial_threshold in [{_SMALLEST:g}, {_LARGEST:g}], since a threshold that "
        "crosses zero has a dead zone turned inside out",
        f"initial_threshold={value!r}",
        "Pass a magnitude that few weights are below, or None to start below them all.",
    )
