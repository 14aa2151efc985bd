"""The penalty of the neuron-selection paper: expected weights of a stack of LSTMs."""

from typing import Any

import keras
from keras import ops

from keras_diffmask.state import add_state


class ExpectedWeights(keras.layers.Layer):
    """Passes its input through and adds lambda * E||W||_0 of the LSTMs to the loss.

    With the keep probabilities p_0 of the embedding's columns and p_l of the
    hidden neurons of layer l, whose input neurons are tied to p_{l-1},

        E = sum_l 4 * (sum(p_{l-1}) * sum(p_l)
                       + sum(p_l) + sum(p_l)^2 - sum(p_l^2))

    where the last three terms are the recurrent kernel: on its diagonal both
    gates are the same one. Biases, embedding and softmax are not counted.

    Args:
        weight: float >= 0, lambda, per expected weight in the loss.
        **kwargs: keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: any tensor; returned as it is.
        keep_probabilities: list of vectors, the embedding's first.
        training: bool; the penalty is added while training only.

    Reference:
        Wen, Zhang, Bai and Xu, arXiv:1906.06847: z is p_{l-1} and s is p_l,
        lambda_1 = lambda_2 = `weight`.
    """

    def __init__(self, weight: float, **kwargs: Any) -> None:
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.weight = float(weight)

    def build(self, *shapes: Any, **more: Any) -> None:
        # From 0 to 1, moved by whoever trains.
        self.ramp = add_state(self, "ramp", (), 1.0)

    def call(
        self, inputs: Any, keep_probabilities: Any = (), training: bool = False
    ) -> Any:
        if training:
            count = expected_weights(list(keep_probabilities))
            self.add_loss(self.weight * ops.convert_to_tensor(self.ramp) * count)
        return inputs

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)


def expected_weights(keep_probabilities: list[Any]) -> Any:
    """E of `ExpectedWeights`.

    Args:
        keep_probabilities: vectors, the embedding's first.
    """
    total: Any = 0.0
    for before, after in zip(
        keep_probabilities[:-1], keep_probabilities[1:], strict=True
    ):
        inputs, units = ops.sum(before), ops.sum(after)
        recurrent = units + units * units - ops.sum(after * after)
        total = total + 4.0 * (inputs * units + recurrent)
    return total


class Ramp(keras.callbacks.Callback):
    """Raises the penalty's weight over the first epochs.

    Gates that are pressed before the weights know anything close at random.

    Args:
        layer: the penalty.
        epochs: epoch from which on it has its full weight; it is 0 in the
            first, if this is above 0.
    """

    def __init__(self, layer: ExpectedWeights, epochs: int) -> None:
        super().__init__()
        self._layer, self._epochs = layer, epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        share = 1.0 if epoch >= self._epochs else epoch / self._epochs
        self._layer.ramp.assign(share)
