"""What masked cells have in common: masks that last as long as a sequence."""

from typing import Any

from keras_diffmask.keras_internals import in_training_call
from keras_diffmask.layers.recurrent_masks import (
    RecurrentGates,
    mask_states,
)
from keras_diffmask.layers.substitution import call_with


class MaskedRecurrentCell(RecurrentGates):
    """Mix-in that goes in front of a Keras cell and masks its weights."""

    _masks_of_sequence: tuple[Any, Any] | None = None

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.build_gates(input_shape[-1])

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        masks, drawn_before = self._masks_of_sequence, True
        if masks is None:
            # Called by itself: for this one step.
            masks, drawn_before = self._begin(training), False
            self._masks_of_sequence = masks
        try:
            return call_with(
                self,
                self.weights_under(*masks),
                super().call,
                inputs,
                mask_states(states, masks[1]),
                training=training,
            )
        finally:
            if not drawn_before:
                self._masks_of_sequence = None

    def _begin(self, training: Any) -> tuple[Any, Any]:
        """The masks of a sequence, and one step less for the quantizer to wait.

        Not in the loop over time steps, out of which no state gets.
        """
        if training and self.quantizer is not None:
            self.quantizer.count_down()
        return self.own_masks(training)

    # Keras' RNN calls these two before and after its loop, so that a dropout
    # mask is drawn once per sequence; the gates' noise wants the same.

    def get_dropout_mask(self, step_input: Any) -> Any:
        if self._masks_of_sequence is None:
            self._masks_of_sequence = self._begin(in_training_call(self))
        return super().get_dropout_mask(step_input)

    def reset_dropout_mask(self) -> None:
        self._masks_of_sequence = None
        super().reset_dropout_mask()
