"""The sum of the scales of differentiable masks."""

from typing import Any

import keras
from keras import ops

from keras_diffmask.regularizers.regularizer import GateRegularizer


@keras.saving.register_keras_serializable("keras_diffmask")
class L1(GateRegularizer):
    """Penalizes the magnitude of the scales that `DifferentiableMask` trains.

        loss = strength * sum_g |a_g|

    Each scale counts the same, however many weights its gate covers
    (`regularizers.L0` weighs them). The scale of a closed unit goes on
    shrinking. Decay the weights as well: large weights behind small scales
    are the same function, and cheaper under this penalty.

    Args:
        strength: float >= 0, loss per unit of scale, or a schedule.

    Raises:
        InvalidArgumentError: `strength` is negative or not finite; or, when a
            gate is made, its estimator has no scales.

    Example:

    >>> import keras_diffmask as kd
    >>> layer = kd.layers.MaskedDense(
    ...     8,
    ...     estimator="differentiable_mask",
    ...     gate_regularizer=kd.regularizers.L1(1e-3),
    ... )

    Reference:
        Ramakrishnan, Sari and Partovi Nia, arXiv:1909.04567; that their
        regularizer on scales is this one is a reading (see
        `DifferentiableMask`).
    """

    estimators = ("DifferentiableMask",)

    def penalty(self, gate: Any) -> Any:
        # The scores of that estimator are the magnitudes of its scales.
        return ops.sum(gate.score())
