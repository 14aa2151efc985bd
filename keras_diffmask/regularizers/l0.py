"""The expected number of kept weights (Louizos, Welling and Kingma 2018)."""

from typing import Any

import keras

from keras_diffmask.regularizers.regularizer import GateRegularizer


@keras.saving.register_keras_serializable("keras_diffmask")
class L0(GateRegularizer):
    """Penalizes the expected number of kept weights.

        loss = strength * E[number of weights that the gates leave]

    A layer with gates of its own counts its own weights: P(mask_g != 0) * n_g,
    where `n_g` is the number of weights that gate `g` covers, 1 for weight
    granularity, a kernel column and its bias for a channel. Those of an LSTM
    lie under two gates, or twice under one; they count by their product, and
    the diagonal of the recurrent kernel once. In a model from `mask_model`
    with gates on channels or branches, every kernel lies under the gates of
    its inputs and of its outputs, and counts kept inputs x kept outputs: the
    penalty is the expected number of weights of the stripped model, those
    that no gate has a part in left out. The strength is the coefficient per
    expected kept weight in the mean loss; a published "lambda / N" is this
    number.

    Args:
        strength: float >= 0, loss per expected kept weight, or a schedule.

    Raises:
        InvalidArgumentError: `strength` is negative or not finite; or, when a
            gate is made, its estimator keeps a given number, as `TopK` does.

    Example:

    >>> import keras_diffmask as kd
    >>> layer = kd.layers.MaskedDense(8, gate_regularizer=kd.regularizers.L0(1e-4))

    Reference:
        Louizos, Welling and Kingma, arXiv:1712.01312, equation 8 (`strength`
        is lambda / N).
    """

    counts_weights = True

    def penalty(self, gate: Any) -> Any:
        return gate.expected_weights()
