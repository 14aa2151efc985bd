"""Masking a whole model, and finding its gates again."""

import keras

from keras_diffmask import keras_internals
from keras_diffmask.gate import Gate
from keras_diffmask.masking.budgeted import Standing as Standing
from keras_diffmask.masking.budgeted import decided_for as decided_for
from keras_diffmask.masking.budgeted import finalize as finalize
from keras_diffmask.masking.budgeted import shares_of as shares_of
from keras_diffmask.masking.budgeted import standing as standing
from keras_diffmask.masking.mask_model import mask_model as mask_model
from keras_diffmask.masking.masked_class import masked_class as masked_class
from keras_diffmask.masking.masked_model import MaskedModel as MaskedModel
from keras_diffmask.masking.weight_decay import protect_gates as protect_gates
from keras_diffmask.refused_models import require_layer


def gates(model: keras.layers.Layer) -> list[Gate]:
    """Every gate of a model, in the order of its layers.

    Args:
        model: a model or layer, masked by `mask_model` or built by hand.

    Returns:
        List of `Gate`; each once, however many layers share it.

    Raises:
        UnsupportedModelError: it is not a Keras 3 model or layer.
    """
    require_layer(model)
    layers = keras_internals.flatten_layers(model)
    return list({id(g): g for g in layers if isinstance(g, Gate)}.values())
