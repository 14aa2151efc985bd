"""The class of a masked model: the user's own, where it is one."""

from functools import cache
from typing import Any

import keras

from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.masking.masked_model import MaskedModel


def masked_class(model_class: type) -> type[MaskedModel]:
    """The class that `mask_model` gives to the copy of a model of this class.

    `MaskedModel` for models of Keras itself. For a subclass of `keras.Model`
    with, say, a `train_step` of its own, a class that inherits from both. It
    is made on demand: to load a saved model of it in another process, call
    this function there first.

    Args:
        model_class: `type(model)`.

    Returns:
        A subclass of `MaskedModel`, the same at each call.

    Raises:
        UnsupportedModelError: the class has an `__init__` of its own, whose
            arguments nobody knows.
    """
    if _is_of_keras(model_class):
        return MaskedModel
    return _joined(model_class)


def _is_of_keras(model_class: type) -> bool:
    return model_class.__module__.startswith("keras.") or issubclass(
        model_class, MaskedModel
    )


@cache
def _joined(model_class: type) -> type[MaskedModel]:
    owner = next(base for base in model_class.__mro__ if "__init__" in vars(base))
    if not owner.__module__.startswith("keras."):
        raise UnsupportedModelError(
            "a model class that Keras can call with inputs and outputs alone",
            f"{model_class.__name__} with an __init__ of its own",
            "Mask keras.Model(model.inputs, model.outputs), or move what __init__ "
            "does into build() or compile().",
        )
    members: dict[str, Any] = {
        "__doc__": f"`MaskedModel` with the methods of `{model_class.__name__}`.",
        "__module__": __name__,
    }
    joined = type(f"Masked{model_class.__name__}", (MaskedModel, model_class), members)
    return keras.saving.register_keras_serializable("keras_diffmask")(joined)
