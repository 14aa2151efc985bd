"""Bidirectional under a mask from outside: what `mask_model` makes of one."""

from typing import Any, ClassVar

import keras
from keras import ops
from keras.saving import serialize_keras_object

from keras_diffmask import granularity, quantizers
from keras_diffmask.keras_internals import mask_of
from keras_diffmask.layers.quantized import Pairs
from keras_diffmask.layers.recurrent_masks import (
    mask_states,
    masked_cell_weights,
    quantized_cell_weights,
)
from keras_diffmask.layers.substitution import call_with


@keras.saving.register_keras_serializable("keras_diffmask")
class MaskedBidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional` that takes a mask on its hidden neurons.

    The mask multiplies the weights of both of its (stock) layers, as in
    `masked_cell_weights`, before they run. It has no gate of its own: built
    by hand, `keras.layers.Bidirectional` around a `MaskedLSTM`, `MaskedGRU`
    or `MaskedSimpleRNN` gives each direction its gates.

    Args:
        *args: positional arguments of `keras.layers.Bidirectional`.
        quantizer: "int8", "int4", a `quantizers.WeightQuantizer` or None: what
            rounds the kernels, one scale per gate and direction.
        **kwargs: keyword arguments of it.

    Call arguments:
        sequences: tensor.
        initial_state: list of states, those of the forward layer first; closed
            units are set to 0.
        mask: boolean tensor `(batch, steps)`, as in Keras.
        training: bool, for the dropout of the two layers.
        gate_mask: mask of shape `(forward units + backward units,)` from shared
            gates, or of shape `(units,)` for both directions; None for no mask.
        input_gate_mask: mask of shape `(input_dim,)` for both directions, or None.

    Input shape:
        `(batch, steps, input_dim)`

    Output shape:
        As `keras.layers.Bidirectional`.

    Example:

    >>> import keras, numpy as np, keras_diffmask as kd
    >>> layer = kd.layers.MaskedBidirectional(keras.layers.GRU(2))
    >>> mask = np.array([1, 0, 0, 1], "float32")
    >>> y = layer(np.ones((1, 5, 3), "float32"), gate_mask=mask)
    >>> [bool(value != 0) for value in y[0]]
    [True, False, False, True]

    Reference:
        Wen, Zhang, Bai and Xu, arXiv:1906.06847 (the masks; `gate_mask` is its
        s, once per direction).
    """

    stock_class = keras.layers.Bidirectional
    #: Arguments of a layer that takes its mask from outside.
    without_gates: ClassVar[dict[str, Any]] = {}
    #: A closed unit's h is 0 by its weights alone.
    masks_output: ClassVar[bool] = False
    granularities: ClassVar[tuple[str, ...]] = (granularity.CHANNEL,)

    def __init__(self, *args: Any, quantizer: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.quantizer = quantizers.get(quantizer)

    def build(self, sequences_shape: Any, *args: Any, **kwargs: Any) -> None:
        super().build(sequences_shape)

    def gated_units(self) -> int:
        """How many units the mask of both directions covers."""
        return sum(layer.cell.units for layer in self.directions())

    def directions(self) -> tuple[Any, Any]:
        """The forward and the backward layer."""
        return self.forward_layer, self.backward_layer

    def weights_under(
        self, mask: Any, input_mask: Any = None, training: Any = False
    ) -> Pairs:
        """Pairs of a weight and its value under masks and quantizer, as they apply."""
        pairs = self.masked_weights(mask, input_mask)
        if self.quantizer is None:
            return pairs
        for layer in self.directions():
            pairs = quantized_cell_weights(self.quantizer, layer.cell, pairs)
        if training:
            self.quantizer.count_down()
        return pairs

    def masked_weights(self, mask: Any, input_mask: Any = None) -> Pairs:
        """Pairs of a weight and its value under masks on hidden and input neurons."""
        halves = (None, None) if mask is None else self.halves(mask)
        return [
            pair
            for layer, half in zip(self.directions(), halves, strict=True)
            for pair in masked_cell_weights(layer.cell, input_mask, half)
        ]

    def halves(self, mask: Any) -> tuple[Any, Any]:
        """The mask on the forward and that on the backward layer."""
        forward = self.forward_layer.cell.units
        if mask.shape[0] == forward:
            return mask, mask
        return mask[:forward], mask[forward:]

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        gate_mask: Any = None,
        input_gate_mask: Any = None,
    ) -> Any:
        pairs = self.weights_under(gate_mask, input_gate_mask, training)
        if not pairs:
            return super().call(sequences, initial_state, mask, training)
        if initial_state is None:
            # With tensors of its own as states Keras finds no mask either.
            mask = mask_of(sequences) if mask is None else mask
            if self.stateful:
                initial_state = [ops.convert_to_tensor(state) for state in self.states]
        if initial_state is not None and gate_mask is not None:
            count = len(initial_state) // 2
            halves = self.halves(gate_mask)
            initial_state = [
                *mask_states(list(initial_state[:count]), halves[0]),
                *mask_states(list(initial_state[count:]), halves[1]),
            ]
        return call_with(
            self,
            pairs,
            super().call,
            sequences,
            initial_state=initial_state,
            mask=mask,
            training=training,
        )

    def gate_config(self) -> dict[str, Any]:
        """The part of the configuration that the Keras parent does not have."""
        quantizer = self.quantizer
        is_on = quantizer is not None
        return {"quantizer": serialize_keras_object(quantizer) if is_on else None}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.gate_config()}
