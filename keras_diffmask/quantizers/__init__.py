"""Fake quantization: weights and activations on the device's integers, in training."""

from typing import Any

from keras_diffmask import lookup
from keras_diffmask.errors import InvalidArgumentError, did_you_mean
from keras_diffmask.quantizers.delayed import Delayed as Delayed
from keras_diffmask.quantizers.delayed import quantizers_of as quantizers_of
from keras_diffmask.quantizers.delayed import switched_off as switched_off
from keras_diffmask.quantizers.quantization import Quantization as Quantization
from keras_diffmask.quantizers.weight_quantizer import (
    WeightQuantizer as WeightQuantizer,
)

#: What users write: name -> width of the weights. Activations have 8 bits.
ALL_OBJECTS = {"int8": 8, "int4": 4}


def get(identifier: Any) -> WeightQuantizer | None:
    """The quantizer of a layer's weights: a name, a configuration, an object, None."""
    if identifier is None:
        return None
    if isinstance(identifier, str) and identifier in ALL_OBJECTS:
        return WeightQuantizer(bits=ALL_OBJECTS[identifier])
    return lookup.get(
        identifier, {"int8": WeightQuantizer}, WeightQuantizer, "quantizer"
    )


def get_quantization(identifier: Any) -> Quantization | None:
    """How a model is quantized: a name, a `Quantization`, or None.

    Raises:
        InvalidArgumentError: it is none of these.
    """
    if identifier is None or isinstance(identifier, Quantization):
        return identifier
    if isinstance(identifier, str) and identifier in ALL_OBJECTS:
        return Quantization(weight_bits=ALL_OBJECTS[identifier])
    raise InvalidArgumentError(
        f"quantization to be {' or '.join(map(repr, ALL_OBJECTS))}, a "
        "kd.quantizers.Quantization or None",
        f"{identifier!r}",
        did_you_mean(identifier, ALL_OBJECTS, "Pass one of these."),
    )
