"""A push on trained thresholds, for `SoftThreshold`."""

from typing import Any

import keras

from keras_diffmask.regularizers.regularizer import GateRegularizer


@keras.saving.register_keras_serializable("keras_diffmask")
class LogThreshold(GateRegularizer):
    """Rewards a large threshold, independently of the weights.

        loss = -strength * n * log(t)

    where `n` is the number of weights under the threshold `t`. The gradient
    of `log(t)`, which is what `SoftThreshold` trains, is `-strength * n`: a
    constant push upwards, in terms of `t` one that falls as 1 / t. What holds
    against it is the task alone, so a strength too large closes the layer;
    `L0` counts the weights that are left instead, and fades as they go. The
    value is negative once t > 1; `t` is kept below 1e3.

    Args:
        strength: float >= 0, loss per weight and factor e of the threshold,
            or a schedule.

    Raises:
        InvalidArgumentError: `strength` is out of range, or the estimator has
            no threshold.

    Example:

    >>> import keras_diffmask as kd
    >>> layer = kd.layers.MaskedDense(
    ...     8, granularity="weight", estimator="soft_threshold",
    ...     gate_regularizer=kd.regularizers.LogThreshold(1e-6))

    Reference:
        Manessi et al., arXiv:1712.01721, train the thresholds with a
        regularizer of their own, whose formula was not found; this is a
        simple one that gives thresholds a reason to grow.
    """

    estimators = ("SoftThreshold",)

    def penalty(self, gate: Any) -> Any:
        return -gate.units * gate.weights_per_gate * gate.trained()
