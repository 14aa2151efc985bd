"""Which layer of a model with quantizers has no range of its own to give."""

import re
from typing import Any

import keras

from keras_diffmask.keras_internals import as_functional, calls
from keras_diffmask.layers import FakeQuantize
from keras_diffmask.quantization import kinds

_FILL = (
    "Pass calibration=x[:256], preprocessed as for training: it fills in what training "
    "could not learn."
)
_PART = (
    "Build it as two layers, a depthwise convolution and a convolution of size 1: "
    "between these a range is learned."
)
_RANGE = re.compile(r"([^/']+)/FakeQuantWithMinMaxVars")


def gap_in(model: Any, told: str) -> tuple[str, str]:
    """What has no learned range, by the name of its layer.

    Args:
        model: the child's copy, whose graph is the user's model's.
        told: what the converter, or a check of its file, said.

    Returns:
        Words for an error message, with `told` where the layer is not to be found;
        and what to do next.
    """
    found = list(calls(as_functional(model)))
    recurrent = [c.operation for c in found if kinds.kind_of(c) == kinds.RECURRENT]
    if recurrent:
        names = ", ".join(dict.fromkeys(repr(layer.name) for layer in recurrent))
        return f"neither around {names}, for recurrent layers are calibrated", _FILL
    match = _RANGE.search(told)
    readers = _readers(found, match[1]) if match else []
    if not readers:
        return f"neither ({told})", _FILL
    names = ", ".join(f"{layer.name!r} ({type(layer).__name__})" for layer in readers)
    words = f"neither inside of {names}, which becomes several operators"
    return words, _PART if any(map(_is_two, readers)) else _FILL


def _readers(found: list[Any], name: str) -> list[Any]:
    """The layers that compute with the range which a tensor is named after."""
    # Keras numbers names that were called before in the process.
    wanted = {name, re.sub(r"_\d+$", "", name)}
    given: set[int] = set()
    readers: dict[int, Any] = {}
    for call in found:
        operation = call.operation
        if isinstance(operation, FakeQuantize) and operation.name in wanted:
            given |= {id(tensor) for tensor in call.outputs}
        elif any(id(tensor) in given for tensor in call.inputs):
            if kinds.kind_of(call) == kinds.SAME:
                given |= {id(tensor) for tensor in call.outputs}
            else:
                readers[id(operation)] = operation
    several = [x for x in readers.values() if not kinds.is_kernel(x) or _is_two(x)]
    return several or list(readers.values())


def _is_two(layer: Any) -> bool:
    kinds_of_two = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
    return isinstance(layer, kinds_of_two)
