"""Penalties on gates."""

from typing import Any

import keras
from keras import ops

from keras_diffmask import lookup
from keras_diffmask.errors import InvalidArgumentError


@keras.saving.register_keras_serializable("keras_diffmask")
class L0:
    """Penalizes the expected number of kept weights.

        loss = strength * sum_g P(mask_g != 0) * n_g

    where `n_g` is the number of weights that gate `g` covers: 1 for weight
    granularity, a kernel column and its bias for a channel. The strength is
    the coefficient per expected kept weight in the mean loss; a published
    "lambda / N" is this number.

    Args:
        strength: float >= 0, loss per expected kept weight.

    Raises:
        InvalidArgumentError: `strength` is negative or not finite.

    Example:

    >>> import keras_diffmask as kd
    >>> layer = kd.layers.MaskedDense(8, gate_regularizer=kd.regularizers.L0(1e-4))

    Reference:
        Louizos, Welling and Kingma, arXiv:1712.01312, equation 8 (`strength`
        is lambda / N).
    """

    def __init__(self, strength: float = 1e-4) -> None:
        if not 0.0 <= float(strength) < float("inf"):
            raise InvalidArgumentError(
                "strength to be a finite number >= 0",
                f"strength={strength!r}",
                "Start with 1e-4 and raise it for more sparsity.",
            )
        self.strength = float(strength)

    def __call__(self, keep_probability: Any, weights_per_gate: Any = 1.0) -> Any:
        return self.strength * ops.sum(keep_probability * weights_per_gate)

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "L0":
        return cls(**config)


#: Every gate regularizer by the name users write.
ALL_OBJECTS: dict[str, type[L0]] = {"l0": L0}


def get(identifier: Any) -> L0 | None:
    """Return the regularizer that a name, configuration or object stands for."""
    if identifier is None:
        return None
    return lookup.get(identifier, ALL_OBJECTS, L0, "gate_regularizer")
