"""What lookup layers have learned: neither weights nor configuration hold it."""

from typing import Any

import keras

from keras_diffmask import keras_internals
from keras_diffmask.errors import UnsupportedModelError


def carry_vocabularies(old: Any, new: Any) -> None:
    """Give the lookups of a copy, and those inside of it, the original's tokens.

    Args:
        old: a layer or operation. A `TextVectorization` has a lookup inside.
        new: one made from its configuration, which is to have them before it is
            called: the width of its output may be the number of tokens.

    Raises:
        UnsupportedModelError: the copy has no lookup yet to take them.
    """
    filled = [(one, _tokens(one)) for one in _lookups(old)]
    if not any(tokens for _, tokens in filled):
        return
    copies = _lookups(new)
    if len(copies) != len(filled):
        raise UnsupportedModelError(
            "vocabularies in layers that are there before the first call",
            f"one in {filled[0][0].name!r} inside of {old.name!r} "
            f"({type(old).__name__})",
            "Make the lookup in that layer's __init__, or pass vocabulary= to it.",
        )
    for (one, tokens), copy in zip(filled, copies, strict=True):
        if tokens and _tokens(copy) != tokens:
            copy.set_vocabulary(tokens, **_weights(one, len(tokens)))


def _lookups(layer: Any) -> list[Any]:
    kinds = (keras.layers.StringLookup, keras.layers.IntegerLookup)
    if not isinstance(layer, keras.layers.Layer):
        return []
    inside = keras_internals.flatten_layers(layer)
    return [one for one in (layer, *inside) if isinstance(one, kinds)]


def _tokens(lookup: Any) -> list[Any]:
    """Mask, unknown and known tokens in order; [] for a lookup that knows none."""
    if not len(lookup.get_vocabulary(include_special_tokens=False)):
        return []
    return list(lookup.get_vocabulary())


def _weights(lookup: Any, count: int) -> dict[str, Any]:
    if lookup.output_mode != "tf_idf":
        return {}
    # Up to max_tokens there are zeros, which the copy adds by itself.
    return {"idf_weights": lookup.idf_weights.numpy()[:count]}
