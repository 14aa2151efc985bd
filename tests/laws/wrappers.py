"""What lets the laws run layers of several inputs on one."""

from typing import Any

import keras

from keras_diffmask import layers


@keras.saving.register_keras_serializable("keras_diffmask_tests")
class SelfAttention(keras.layers.Layer):
    """Calls an attention on one tensor: the laws run layers of one input."""

    def __init__(self, attention: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = attention

    def build(self, shape: Any) -> None:
        if not self.attention.built:  # loading has built it
            self.attention.build(shape, shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        outputs = self.attention(inputs, inputs, training=training)
        return keras.ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, shape: Any) -> Any:
        return self.attention.compute_output_shape(shape, shape)

    def get_config(self) -> dict[str, Any]:
        attention = keras.saving.serialize_keras_object(self.attention)
        return {**super().get_config(), "attention": attention}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        attention = keras.saving.deserialize_keras_object(config.pop("attention"))
        return cls(attention, **config)


@keras.saving.register_keras_serializable("keras_diffmask_tests")
class OfOneInput(keras.layers.Layer):
    """Calls a sum on a tensor and a function of it, for the same reason."""

    def __init__(self, merge: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.merge = merge

    def build(self, shape: Any) -> None:
        if not self.merge.built:  # loading has built it
            self.merge.build([shape, shape])

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        both = [inputs, keras.ops.tanh(inputs)]
        is_masked = isinstance(self.merge, layers.MaskedResidual)
        more = {"training": training} if is_masked else {}
        return keras.ops.cast(self.merge(both, **more), self.compute_dtype)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        merge = keras.saving.serialize_keras_object(self.merge)
        return {**super().get_config(), "merge": merge}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        merge = keras.saving.deserialize_keras_object(config.pop("merge"))
        return cls(merge, **config)
