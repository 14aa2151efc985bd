"""ReversibleEmbedding, a table that is the softmax's too, with gates on its width."""

from typing import Any

import keras

from keras_diffmask.layers.broadcast import along, multiply
from keras_diffmask.layers.embedding import MaskedEmbedding


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedReversibleEmbedding(MaskedEmbedding, keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding` whose columns carry trainable gates.

        y[t] = embeddings[x[t]] * mask                 forward
        logits = (x * mask) @ transpose(embeddings)    reverse

    so that both calls use one table, `embeddings * mask`. Give both the same
    mask, as `kd.mask_model` does: with a gate of its own each call samples
    anew while training.

        mask, _ = keras_diffmask.Gate(width)(tokens)
        x = embedding(tokens, gate_mask=mask)
        logits = embedding(body(x), reverse=True, gate_mask=mask)

    Args:
        *args: positional arguments of `keras.layers.ReversibleEmbedding`.
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
        **kwargs: keyword arguments of `keras.layers.ReversibleEmbedding`.

    Call arguments:
        inputs: tensor of token numbers, or of vectors with `reverse=True`.
        reverse: bool; True projects vectors to one logit per token.
        gate_mask: mask of shape `(output_dim,)` from a shared `Gate`, or None.
        training: bool; True samples the own gate.

    Input shape:
        `(batch, ...)`, integers in [0, input_dim); in reverse
        `(batch, ..., output_dim)`.

    Output shape:
        `(batch, ..., output_dim)`; in reverse `(batch, ..., input_dim)`.

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedReversibleEmbedding(100, 4)
    >>> vectors = layer(np.array([[3, 14, 15]]))
    >>> layer(vectors, reverse=True).shape == (1, 3, 100)
    True

    Reference:
        Press and Wolf, arXiv:1608.05859 (the tied table); Wen, Zhang, Bai and
        Xu, arXiv:1906.06847 (gates on the neurons of a language model).
    """

    stock_class = keras.layers.ReversibleEmbedding
    quantized = {"embeddings": ()}

    def build(self, input_shape: Any = None) -> None:
        if not self.tie_weights:
            self.unit_axes = {"embeddings": -1, "reverse_embeddings": 0}
            self.quantized = {"embeddings": (), "reverse_embeddings": ()}
        super().build(input_shape)

    # Keras' order of arguments: `reverse` may come by position.
    def compute_output_spec(  # type: ignore[override]
        self,
        inputs: Any,
        reverse: bool = False,
        gate_mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        self.let_gate_read(gate_mask)
        return self.stock_class.compute_output_spec(self, inputs, reverse)

    def call(  # type: ignore[override]
        self,
        inputs: Any,
        reverse: bool = False,
        gate_mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        if not reverse:
            return self.call_masked(inputs, gate_mask, training)
        if not self.masks_units or self.quantizer is not None:
            return self.call_masked(inputs, gate_mask, training, reverse=True)
        if gate_mask is None and self.gate is not None:
            gate_mask, _ = self.gate(inputs, training=training)
        if gate_mask is not None:
            inputs = multiply(inputs, along(gate_mask, -1, inputs.shape))
        return self.stock_class.call(self, inputs, reverse=True)
