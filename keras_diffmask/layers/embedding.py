"""Embedding with gates on its width or on its weights."""

from typing import Any

import keras

from keras_diffmask import keras_internals
from keras_diffmask.layers.broadcast import along, multiply
from keras_diffmask.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedEmbedding(MaskedLayer, keras.layers.Embedding):
    """`keras.layers.Embedding` whose columns (or weights) carry trainable gates.

        y[t] = embeddings[x[t]] * mask       columns
        y[t] = (embeddings * mask)[x[t]]     weights

    A column is one dimension of the vectors that tokens become; the vocabulary
    stays as it is. A mask of columns multiplies the rows that were looked up,
    which are fewer than those of the table, and leaves the table's gradient
    as sparse as Keras makes it. `mask_zero` works as in Keras.

    Args:
        *args: positional arguments of `keras.layers.Embedding`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"` (also `"neuron"`), one gate per column, or
            `"weight"`, one per entry of the table.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.Embedding`; `weights`
            among them only like this, by name.

    Call arguments:
        inputs: tensor of token numbers.
        gate_mask: mask of shape `(output_dim,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.
        output_gate_mask: which columns a mask behind the layer leaves open, or
            None. The others do not count for the scale of a quantizer.

    Input shape:
        `(batch, ...)`, integers in [0, input_dim).

    Output shape:
        `(batch, ..., output_dim)`

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedEmbedding(100, 4)
    >>> layer(np.array([[3, 14, 15]])).shape == (1, 3, 4)
    True

    Reference:
        Wen, Zhang, Bai and Xu, arXiv:1906.06847: the gates on the input
        neurons of a language model's first LSTM are those on the columns of
        its embedding.
    """

    stock_class = keras.layers.Embedding
    quantized = {"embeddings": ()}
    unit_axes = {"embeddings": -1}
    is_told_of_outputs = True

    def __init__(self, *args: Any, weights: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if weights is not None:
            # Not by Keras, which would build it before it has an estimator.
            self.build()
            self.embeddings.assign(weights[0] if _is_list(weights) else weights)

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            super().build(input_shape)

    def compute_output_spec(
        self,
        inputs: Any,
        gate_mask: Any = None,
        training: bool | None = None,
        output_gate_mask: Any = None,
    ) -> Any:
        self.let_gate_read(gate_mask)
        return self.stock_class.compute_output_spec(self, inputs)

    def call_masked(
        self,
        inputs: Any,
        gate_mask: Any,
        sampling: Any,
        /,
        input_gate_mask: Any = None,
        output_gate_mask: Any = None,
        **parent: Any,
    ) -> Any:
        if not self.masks_units or self.quantizer is not None:
            # On the table itself: its scale must not hang on closed columns.
            return super().call_masked(
                inputs,
                gate_mask,
                sampling,
                output_gate_mask=output_gate_mask,
                **parent,
            )
        if gate_mask is None and self.gate is not None:
            gate_mask, _ = self.gate(inputs, training=sampling)
        outputs = self.stock_class.call(self, inputs, **parent)
        if gate_mask is None:
            return outputs
        masked = multiply(outputs, along(gate_mask, -1, outputs.shape))
        # ReversibleEmbedding does not leave it to `compute_mask`.
        keras_internals.hand_on_mask(outputs, masked)
        return masked


def _is_list(weights: Any) -> bool:
    return isinstance(weights, list) and len(weights) == 1
