"""What is no model that the library can take, and the sentence for it."""

from typing import Any

import keras

from keras_diffmask.errors import UnsupportedModelError


def require_layer(model: Any) -> None:
    """Refuse what is no Keras 3 model or layer.

    Raises:
        UnsupportedModelError: saying what it is.
    """
    if not isinstance(model, keras.layers.Layer):
        raise not_keras_3(model)


def unbuilt(model: Any) -> UnsupportedModelError:
    """Of a Sequential model that has no graph yet."""
    return UnsupportedModelError(
        "a built model",
        f"the Sequential model {model.name!r} with no known input shape",
        "Add keras.Input(shape) as its first entry, or call model.build(shape).",
    )


def not_keras_3(model: Any) -> UnsupportedModelError:
    """Of an object that is no model, or one of Keras 2."""
    modules = {cls.__module__.split(".")[0] for cls in type(model).__mro__}
    if "tf_keras" in modules or "tensorflow" in modules:
        return UnsupportedModelError(
            "a Keras 3 model",
            f"the Keras 2 (tf_keras) model {getattr(model, 'name', '?')!r}",
            "Rebuild it with keras (version 3) and copy its weights with "
            "set_weights(old.get_weights()).",
        )
    return UnsupportedModelError(
        "a Keras 3 model",
        f"an object of type {type(model).__module__}.{type(model).__qualname__}",
        "Pass a keras.Sequential or a keras.Model(inputs, outputs).",
    )
