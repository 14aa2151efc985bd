"""Runs the same inputs through everything that is compared."""

import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.verification.order import order_of

_BATCH = 64
# How Keras makes a terminal print bold.
_BOLD = re.compile(r"\x1b\[\d*m")


def keras_outputs(
    model: Any, arrays: Sequence[np.ndarray], artifact: Artifact, what: str
) -> tuple[np.ndarray, ...]:
    """What a Keras model answers, one array of examples per output of the file.

    Args:
        model: the model.
        arrays: one array of examples per input of the file.
        artifact: the file it is compared with, whose outputs must look alike.
        what: the argument's name, for the error.

    Raises:
        InvalidArgumentError: it is no Keras model, or its outputs are not the
            file's.
    """
    if not isinstance(model, keras.Model):
        raise InvalidArgumentError(
            f"{what} to be a Keras model",
            f"an object of type {type(model).__name__}",
            "Pass the model that the file was converted from.",
        )
    remembering = [
        layer
        for layer in keras_internals.flatten_layers(model)
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_state")
    ]
    order = order_of(artifact, model)
    given = [arrays[place] for place in order.inputs]
    size = 1 if remembering else _BATCH
    parts = []
    for start in range(0, len(arrays[0]), size):
        for layer in remembering:
            layer.reset_state()
        answer = _call(model, [array[start : start + size] for array in given], what)
        flat = keras.tree.flatten(answer)
        parts.append([keras.ops.convert_to_numpy(tensor) for tensor in flat])
    outputs = tuple(
        np.concatenate(output).astype("float32") for output in zip(*parts, strict=True)
    )
    # Of another model than the file's there may be fewer: that is refused below.
    if len(outputs) == len(order.outputs):
        outputs = tuple(outputs[place] for place in order.outputs)
    _check_outputs(outputs, artifact, what)
    return outputs


def _call(model: Any, given: list[np.ndarray], what: str) -> Any:
    try:
        return model(_packed(model, given), training=False)
    except (ValueError, TypeError) as error:
        raise InvalidArgumentError(
            f"{what} to take the file's inputs, of shape {[a.shape for a in given]}",
            _reason(error),
            "Pass the model that the file was converted from.",
        ) from error


def _packed(model: Any, given: list[np.ndarray]) -> Any:
    """The arrays as the model takes them: one, a list, or a dict by name."""
    if keras_internals.is_functional(model) and len(model.inputs) == len(given):
        return keras.tree.pack_sequence_as(model.input, given)
    return given[0] if len(given) == 1 else given


def _reason(error: Exception) -> str:
    """What Keras says after telling in which of its calls it was."""
    lines = [line.strip() for line in _BOLD.sub("", str(error)).splitlines()]
    telling = [line for line in lines if line and "encountered when" not in line]
    return telling[0].rstrip(".") if telling else type(error).__name__


def _check_outputs(
    outputs: tuple[np.ndarray, ...], artifact: Artifact, what: str
) -> None:
    # Of a streaming file the number of steps is left to the caller.
    first = -1 if artifact.streaming else 1
    ours = [output.shape[first:] for output in outputs]
    theirs = [spec.shape[first:] for spec in artifact.outputs]
    if ours != theirs:
        raise InvalidArgumentError(
            f"{what} to have outputs of the shapes of {artifact.name!r}, {theirs}",
            f"{ours}",
            "Pass the model that the file was converted from.",
        )
    for output in outputs:
        if not np.isfinite(output).all():
            raise InvalidArgumentError(
                f"finite outputs of {what}", "NaN or infinity", "Check its weights."
            )


def last_steps(
    outputs: Sequence[np.ndarray], reference: Sequence[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Of a streaming file's answers after every step, what Keras gives of them."""
    return tuple(
        out[:, -1] if ref.ndim < out.ndim else out[:, -ref.shape[1] :]
        for out, ref in zip(outputs, reference, strict=True)
    )
