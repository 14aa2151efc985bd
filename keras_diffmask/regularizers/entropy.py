"""The entropy of what competes (Gonzalez-Carabarin et al. 2022)."""

from typing import Any

import keras
from keras import ops

from keras_diffmask.regularizers.regularizer import GateRegularizer


@keras.saving.register_keras_serializable("keras_diffmask")
class Entropy(GateRegularizer):
    """Penalizes rows of gate logits that have not made up their mind.

        loss = strength * sum_r H(softmax(a_r))
        H(p) = -sum_i p_i log(p_i)

    where `a_r` are the logits of row r, the elements that compete with each
    other for k places. H is in nats, between 0 and the log of a row's length.
    The number of open gates is not its business: `TopK` is given it.

    Args:
        strength: float >= 0, loss per nat and row, or a schedule. The authors'
            code has 5e-3 to 5e-6, the less the more rows there are.

    Raises:
        InvalidArgumentError: `strength` is negative or not finite; or, when a
            gate is made, its estimator has no rows.

    Example:

    >>> import keras_diffmask as kd
    >>> layer = kd.layers.MaskedDense(
    ...     8,
    ...     estimator=kd.estimators.TopK(k=4),
    ...     granularity="weight",
    ...     gate_regularizer=kd.regularizers.Entropy(5e-5),
    ... )

    Reference:
        Gonzalez-Carabarin et al., arXiv:2105.12686 (`strength` is mu).
    """

    estimators = ("TopK",)

    def penalty(self, gate: Any) -> Any:
        log_p = ops.log_softmax(gate.competing_logits(), axis=-1)
        return -ops.sum(ops.exp(log_p) * log_p)
