"""What every layer of a Keras model answers, and what reads it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals
from keras_diffmask.layers import FakeQuantize
from keras_diffmask.quantization import QuantizedModel
from keras_diffmask.quantization.device_run import DeviceRun


@dataclass(eq=False)
class LayerOutput:
    """One call of a layer or operation.

    Args:
        name: its name.
        order: its place in the order of execution.
        values: its first output, one entry per example, in float64; as a quantizer
            behind it has rounded it.
        readers: the calls that take it.
        place: which of the model's outputs it is; None for none.
    """

    name: str
    order: int
    values: np.ndarray
    readers: list["LayerOutput"] = field(default_factory=list)
    place: int | None = None

    def follows(self, other: "LayerOutput", steps: int = 3) -> bool:
        """Whether it is computed from `other` alone, in at most so many steps."""
        if steps == 0 or len(other.readers) != 1:
            return False
        (reader,) = other.readers
        return reader is self or self.follows(reader, steps - 1)


def trace(model: Any, given: Sequence[np.ndarray]) -> list[LayerOutput]:
    """Runs a model call by call.

    Args:
        model: a Functional or Sequential model; models inside of it are walked too.
        given: one array of examples per input.

    Returns:
        Every call with floating-point outputs, in the order of execution.
    """
    found: list[LayerOutput] = []
    # Tensor -> the call that made it; the tensors are kept, so that no id is reused.
    made: dict[int, tuple[Any, LayerOutput]] = {}
    tensors = [keras.ops.convert_to_tensor(array) for array in given]
    outputs = keras.tree.flatten(_walk(model, tensors, found, made))
    for place, tensor in enumerate(outputs):
        if id(tensor) in made:
            made[id(tensor)][1].place = place
    return found


def _walk(
    model: Any, tensors: list[Any], found: list[LayerOutput], made: dict[int, Any]
) -> Any:
    device = DeviceRun(lambda operation, args, kwargs: operation(*args, **kwargs))
    is_quantized = isinstance(model, QuantizedModel)

    def perform(call: Any, args: tuple, kwargs: dict) -> Any:
        taken = keras.tree.flatten((args, kwargs))
        if isinstance(call.operation, keras.Model):
            return _walk(call.operation, keras.tree.flatten(args), found, made)
        if keras_internals.takes_training(call.operation):
            kwargs = {**kwargs, "training": False}
        if is_quantized:
            answer = device.perform(call, args, kwargs)
        else:
            answer = call.operation(*args, **kwargs)
        first = keras.tree.flatten(answer)[0]
        makers = [made[id(tensor)][1] for tensor in taken if id(tensor) in made]
        if isinstance(call.operation, FakeQuantize) and makers:
            # The file has the layer's integers, and no reals before them.
            makers[0].values = keras.ops.convert_to_numpy(first).astype("float64")
            made[id(first)] = (first, makers[0])
            return answer
        if "float" in keras.backend.standardize_dtype(first.dtype):
            values = keras.ops.convert_to_numpy(first).astype("float64")
            entry = LayerOutput(call.operation.name, len(found), values)
            found.append(entry)
            for maker in makers:
                maker.readers.append(entry)
            # A layer may hand its input on: Dropout does.
            made[id(first)] = (first, entry)
        return answer

    return keras_internals.replay(
        keras_internals.as_functional(model), tensors, perform
    )
