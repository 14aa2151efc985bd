"""The penalty of operation-aware channel pruning (Kang and Han 2020)."""

import math
from typing import Any

import keras
from keras import ops

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.regularizers.regularizer import GateRegularizer


@keras.saving.register_keras_serializable("keras_diffmask")
class OperationAwarePenalty(GateRegularizer):
    """Pushes what a channel reaches below 0, where a ReLU turns it off.

        loss = strength * sum_c max(beta_c + deviations * |gamma_c|, floor)

    over the channels of the gate: the mean plus so many deviations of what
    the normalization gives. Without the floor (None, as the authors have it)
    it is unbounded below, and beta of a dead channel keeps falling. With it a
    channel stops a little after it has closed, the loss is at least
    `strength * floor` per channel, and no mask is another. A gate that
    `set_keep` or a budget has decided is pushed no further.

    Args:
        strength: float >= 0, loss per channel, or a schedule. The authors have
            1e-4 for VGG-16, 5e-5 for ResNet-56 and 3e-5 for DenseNet-40, with
            SGD and 160 epochs of CIFAR-10.
        deviations: float >= 0, `s` of the paper.
        floor: float, or None for none.

    Raises:
        InvalidArgumentError: an argument is out of range, or the estimator
            does not read gamma and beta.

    Example:

    >>> import keras_diffmask as kd
    >>> layer = kd.layers.MaskedBatchNormalization(
    ...     estimator="operation_aware",
    ...     gate_regularizer=kd.regularizers.OperationAwarePenalty(1e-4))

    Reference:
        Kang and Han, arXiv:2007.03938 (`strength` is lambda).
    """

    estimators = ("OperationAware",)

    def __init__(
        self,
        strength: Any = 1e-4,
        deviations: float = 2.0,
        floor: float | None = -3.0,
    ) -> None:
        super().__init__(strength)
        for is_right, expected, received in (
            (0 <= deviations < math.inf, "deviations >= 0", f"{deviations=}"),
            (floor is None or math.isfinite(floor), "a finite floor", f"{floor=}"),
        ):
            if not is_right:
                next_step = "Leave the argument out for its usual value."
                raise InvalidArgumentError(expected, received, next_step)
        self.deviations = float(deviations)
        self.floor = None if floor is None else float(floor)

    def penalty(self, gate: Any) -> Any:
        gamma, beta = gate.read_weights()
        # |gamma|, with the derivative 0 at 0 on every backend (JAX has 1 there).
        size = gamma * ops.stop_gradient(ops.sign(gamma))
        reach = beta + self.deviations * size
        if self.floor is not None:
            reach = ops.maximum(reach, self.floor)
        return ops.sum(reach) * ops.where(gate.is_decided(), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        more = {"deviations": self.deviations, "floor": self.floor}
        return {**super().get_config(), **more}
