"""What masked recurrent layers have in common: masks applied before the scan."""

from typing import Any

from keras import ops

from keras_diffmask.keras_internals import mask_of
from keras_diffmask.layers.recurrent_masks import (
    RecurrentGates,
    mask_states,
)
from keras_diffmask.layers.substitution import call_with


class MaskedRecurrentLayer(RecurrentGates):
    """Mix-in that goes in front of a Keras recurrent layer and masks its weights."""

    _in_own_call = False

    def build(self, sequences_shape: Any, *args: Any, **kwargs: Any) -> None:
        super().build(sequences_shape)
        self.build_gates(sequences_shape[-1])

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("gate_mask") is not None:
            self.require_zero_at_zero()
        return super().compute_output_spec(*args, **kwargs)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        gate_mask: Any = None,
        input_gate_mask: Any = None,
    ) -> Any:
        own = self.own_masks(training)
        input_mask = own[0] if input_gate_mask is None else input_gate_mask
        hidden_mask = own[1] if gate_mask is None else gate_mask
        if hidden_mask is not None:
            self.require_zero_at_zero()
        if initial_state is None:
            # With tensors of its own as states Keras finds no mask either.
            mask = mask_of(sequences) if mask is None else mask
            initial_state = self._first_states(ops.shape(sequences)[0])
        self._in_own_call = True
        try:
            return call_with(
                self,
                self.weights_under(input_mask, hidden_mask, training),
                super().call,
                sequences,
                initial_state=mask_states(initial_state, hidden_mask),
                mask=mask,
                training=training,
            )
        finally:
            self._in_own_call = False

    def _first_states(self, batch_size: Any) -> Any:
        if self.stateful:
            return [ops.convert_to_tensor(state) for state in self.states]
        return self.get_initial_state(batch_size)

    @property
    def use_cudnn(self) -> Any:
        """Whether Keras may take the backend's fused kernel, in the layer's own call.

        `Bidirectional` would hand the weights of both of its layers to one
        fused kernel, past the masks. To it the answer is neither True nor
        "auto"; it then calls the two, each with its own fused kernel.
        """
        value = self._use_cudnn
        return value if self._in_own_call else _ForItsOwnCall(value)

    @use_cudnn.setter
    def use_cudnn(self, value: Any) -> None:
        is_ours = isinstance(value, _ForItsOwnCall)
        self._use_cudnn = value.use_cudnn if is_ours else value


class _ForItsOwnCall:
    """An answer that only the layer that gave it understands."""

    def __init__(self, use_cudnn: Any) -> None:
        self.use_cudnn = use_cudnn
