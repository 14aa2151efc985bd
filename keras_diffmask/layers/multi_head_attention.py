"""MultiHeadAttention with gates on its heads."""

import math
from typing import Any

import keras

from keras_diffmask import granularity
from keras_diffmask.layers.masked import MaskedLayer
from keras_diffmask.layers.quantized import Closing, Pairs, only_open

#: What reads the inputs of the same names.
_PROJECTIONS = ("query", "key", "value")


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedMultiHeadAttention(MaskedLayer, keras.layers.MultiHeadAttention):
    """`keras.layers.MultiHeadAttention` whose heads carry trainable gates.

        y = sum over heads h of attention_h(query, key, value) @ (W_h * mask_h) + b

    W_h are the head's rows of the output projection's kernel: masked there, a
    closed head contributes exactly 0 and its attention scores stay as they
    are. The output's bias b belongs to no head. With all heads but one closed
    the layer is an attention of one head.

    Args:
        *args: positional arguments of `keras.layers.MultiHeadAttention`.
        estimator: name or `Estimator` of the layer's own gate; None for a
            layer that takes its mask as the call argument `gate_mask`.
        granularity: `"channel"`, one gate per head.
        gate_regularizer: penalty on the gates, for example
            `regularizers.L0(1e-4)`, or None.
        logit_scale: float > 0, how many times faster than a weight the own
            gate's logits learn.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the weights to the device's integers in training.
        **kwargs: keyword arguments of `keras.layers.MultiHeadAttention`.

    Call arguments:
        query, value, key, query_mask, value_mask, key_mask, attention_mask,
            return_attention_scores, use_causal_mask: as in Keras.
        training: bool; True samples the own gate and drops scores out.
        gate_mask: mask of shape `(num_heads,)` from a shared `Gate`, or None.
        input_gate_mask: masks of what is read by name, "query", "value" and "key",
            or None. What reads a closed input counts as 0, and so not for the
            scale of a quantizer; neither do closed heads.
        output_gate_mask: which outputs a mask behind the layer leaves open, or
            None. The others do not count either.

    Input shape:
        `(batch, targets, dim)` for query, `(batch, sources, dim)` for the others

    Output shape:
        `(batch, targets, dim)` of the query, and with
        `return_attention_scores` also `(batch, num_heads, targets, sources)`.

    Raises:
        InvalidArgumentError: unknown estimator or granularity, or the two mean
            nothing together.

    Example:

    >>> import numpy as np, keras_diffmask as kd
    >>> layer, x = kd.layers.MaskedMultiHeadAttention(2, 4), np.ones((2, 5, 3), "f")
    >>> layer(x, x).shape == (2, 5, 3)
    True

    Reference:
        Voita et al., Analyzing Multi-Head Self-Attention, ACL 2019,
        arXiv:1905.09418, section 5 (scalar gates g_i on the heads).
    """

    stock_class = keras.layers.MultiHeadAttention
    unit_axes = {"output_kernel": 0}
    quantized = {
        "query_dense.kernel": (),
        "key_dense.kernel": (),
        "value_dense.kernel": (),
        "output_kernel": (),
    }
    granularities = (granularity.CHANNEL,)
    is_told_of_outputs = True
    #: Where scores of closed heads are seen, these stay what they are.
    _hides_scores = True

    @property
    def output_kernel(self) -> Any:
        """Kernel of the output projection: `(num_heads, value_dim, ...)`."""
        return self.output_dense.kernel

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        keras.layers.MultiHeadAttention.build(self, query_shape, value_shape, key_shape)
        self.build_gate()

    def reading(self, pairs: Pairs, input_mask: Any) -> Pairs:
        masks = input_mask.items()
        closing = [(f"{name}_dense.kernel", 0, mask) for name, mask in masks]
        return only_open(self, pairs, closing)

    def closing(self, mask: Any, output_mask: Any) -> list[Closing]:
        heads = [] if mask is None or not self._hides_scores else _PROJECTIONS
        outputs = [] if output_mask is None else ["output_kernel"]
        return [
            *((f"{name}_dense.kernel", 1, mask) for name in heads),
            *((name, -1, output_mask) for name in outputs),
        ]

    def gated_size(self) -> float:
        bias = self.output_dense.bias
        shared = 0 if bias is None else math.prod(bias.shape)
        return float(sum(math.prod(w.shape) for w in self.weights) - shared)

    def call(  # type: ignore[override]
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
        gate_mask: Any = None,
        input_gate_mask: Any = None,
        output_gate_mask: Any = None,
    ) -> Any:
        self._hides_scores &= not return_attention_scores
        return self.call_masked(
            query,
            gate_mask,
            training,
            input_gate_mask=input_gate_mask,
            output_gate_mask=output_gate_mask,
            value=value,
            key=key,
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
            attention_mask=attention_mask,
            return_attention_scores=return_attention_scores,
            training=training,
            use_causal_mask=use_causal_mask,
        )

    def compute_output_spec(
        self,
        *args: Any,
        gate_mask: Any = None,
        input_gate_mask: Any = None,
        output_gate_mask: Any = None,
        **kwargs: Any,
    ) -> Any:
        self._hides_scores &= not kwargs.get("return_attention_scores")
        return super().compute_output_spec(*args, **kwargs)
