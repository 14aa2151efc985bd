"""An LSTM that goes on from where the batch before ended."""

from typing import Any

import keras
from keras import ops


class Carried(keras.layers.Layer):
    """Calls a recurrent layer from its last state, and keeps the new one.

    Truncated backpropagation through time: row b of a batch continues row b of
    the batch before, and no gradient flows back into that one. Keras'
    `stateful=True` would say the same, but its states are no tracked weights,
    and the compiled steps of the JAX backend forget them (Keras 3.15).

    Args:
        layer: an LSTM with `return_sequences` and `return_state`.
        batch_size: rows of every batch.
        **kwargs: keyword arguments of `keras.layers.Layer`.

    Call arguments:
        sequences: `(batch_size, steps, features)`.
        training: bool, for the layer.
        **masks: `gate_mask` and `input_gate_mask`, for a masked layer.

    Output shape:
        `(batch_size, steps, units)`
    """

    def __init__(self, layer: Any, batch_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self.batch_size = batch_size

    def build(self, sequences_shape: Any, **shapes: Any) -> None:
        self.layer.build(sequences_shape)
        shape = (self.batch_size, self.layer.units)
        self.carried = [
            self.add_weight(
                name=name, shape=shape, initializer="zeros", trainable=False
            )
            for name in ("hidden", "cell")
        ]

    def call(self, sequences: Any, training: bool = False, **masks: Any) -> Any:
        before = [ops.convert_to_tensor(state) for state in self.carried]
        outputs, *after = self.layer(
            sequences, initial_state=before, training=training, **masks
        )
        for state, value in zip(self.carried, after, strict=True):
            state.assign(ops.stop_gradient(value))
        return outputs

    def compute_output_spec(self, sequences: Any, *_: Any, **__: Any) -> Any:
        shape = (*sequences.shape[:2], self.layer.units)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def forget(self) -> None:
        """Sets the state to 0: what follows is the start of a text."""
        for state in self.carried:
            state.assign(ops.zeros(state.shape))


def forget(model: keras.Model) -> None:
    """Sets the states of all `Carried` layers of a model to 0."""
    for layer in model.layers:
        if isinstance(layer, Carried):
            layer.forget()


class FromTheStart(keras.callbacks.Callback):
    """Begins every epoch and every evaluation at the start of the text."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        forget(self.model)

    def on_test_begin(self, logs: Any = None) -> None:
        forget(self.model)
