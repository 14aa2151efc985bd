"""Which models may be converted, decided before TensorFlow is started."""

from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from keras_diffmask.export.emit.recurrent import (
    Recurrence,
    cells,
    iterate_layers,
    recurrences,
)
from keras_diffmask.export.emit.streaming import check_streaming
from keras_diffmask.layers import FakeQuantize


@dataclass(frozen=True)
class InputSize:
    """One input of the model: its name, its shape with the batch, its dtype."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


def check_model(
    model: Any, steps: int | None = None, streaming: bool = False
) -> tuple[list[InputSize], list[Recurrence]]:
    """Raises when `model` cannot become a .tflite file.

    Args:
        model: what the user passed to `to_tflite`.
        steps: length of the sequences where the model leaves it open.
        streaming: whether one step per call is wanted, state carried along.

    Returns:
        The inputs, of known sizes (but for the steps of a streaming model, which
        may be None), and the recurrent layers with the form each will get.

    Raises:
        InvalidArgumentError: `steps` does not fit the model.
        UnsupportedModelError: it is no Keras 3 Functional or Sequential model,
            is not built, holds masked or custom layers or cells, a dynamic
            size, weights that are no float32 numbers, or what can't be
            computed one step at a time where that is wanted.
    """
    _check_kind(model)
    for layer in iterate_layers(model):
        _check_layer(layer)
    found = recurrences(model, steps)
    for recurrence in found:
        if recurrence.layer.stateful and not streaming:
            raise UnsupportedModelError(
                "recurrent layers with stateful=False",
                f"layer '{recurrence.layer.name}' with stateful=True",
                "Pass streaming=True for a file that carries its state from call "
                "to call, or rebuild the layer without it and copy its weights.",
            )
    if streaming:
        check_streaming(model, found)
    _check_masks(model)
    inputs = resolve_inputs(model, steps, streaming)
    _check_weights(model)
    return inputs, found


def _check_masks(model: Any) -> None:
    for call in keras_internals.calls(keras_internals.as_functional(model)):
        layer = call.operation
        if hasattr(layer, "layers"):
            _check_masks(layer)
        elif isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional)):
            # Of a ReversibleEmbedding Keras writes no mask into the graph.
            maker = keras_internals.maker_of(call.inputs[0])
            if call.masks or getattr(maker, "mask_zero", False):
                raise no_mask(layer.name)


def no_mask(layer: str) -> UnsupportedModelError:
    """The error of a recurrent layer that is given a mask."""
    return UnsupportedModelError(
        "recurrent layers that read every step",
        f"layer '{layer}' with a mask, for which TFLite's LSTM has no input",
        "Remove the Masking layer or the Embedding's mask_zero before it, and give "
        "sequences of full length.",
    )


def resolve_inputs(
    model: Any, steps: int | None = None, streaming: bool = False
) -> list[InputSize]:
    """The model's inputs with `steps` filled in; see `check_model`."""
    if steps is not None:
        _check_steps(model, steps, streaming)
    inputs = []
    for tensor in model.inputs:
        shape = tuple(tensor.shape)
        if shape[1:2] == (None,) and None not in shape[2:]:
            if steps is None and not streaming:
                raise _open_sequence(tensor)
            shape = (shape[0], steps, *shape[2:])
        elif None in shape[1:]:
            raise UnsupportedModelError(
                "fixed input sizes",
                f"input '{tensor.name}' of shape {shape}",
                "Rebuild the model with an Input whose shape has no None and copy "
                "the weights.",
            )
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        inputs.append(InputSize(tensor.name, shape, dtype))
    return inputs


def _check_steps(model: Any, steps: int, streaming: bool) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InvalidArgumentError(
            "steps as a whole number of at least 1", f"steps={steps!r}",
            "Pass the length of your sequences, for example steps=128.",
        )  # fmt: skip
    if streaming:
        raise InvalidArgumentError(
            "steps=None with streaming=True, where every call takes one step",
            f"steps={steps}",
            "Leave steps out.",
        )
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if not any(shape[1:2] == (None,) for shape in shapes):
        raise InvalidArgumentError(
            "steps=None for a model whose Input has a fixed length",
            f"steps={steps} for inputs of shape {', '.join(map(str, shapes))}",
            "Leave steps out, or rebuild the model with keras.Input((None, ...)).",
        )


def _open_sequence(tensor: Any) -> UnsupportedModelError:
    shape = tuple(tensor.shape)
    sizes = "".join(f", {size}" for size in shape[2:])
    return UnsupportedModelError(
        "a fixed sequence length",
        f"input '{tensor.name}' of shape {shape}",
        "Pass steps=, the length of your sequences, for example steps=100, or "
        f"rebuild the model with keras.Input((steps{sizes or ','})).",
    )


def _check_kind(model: Any) -> None:
    if type(model).__module__.startswith("keras_diffmask"):
        _refuse_masked(model)
    keras_internals.as_functional(model)


def _refuse_masked(layer: Any) -> None:
    raise UnsupportedModelError(
        "a model of stock Keras layers",
        f"'{layer.name}' ({type(layer).__name__}), which still carries masks",
        "Call export.strip(model) first, or `keras-diffmask strip` in a shell, and "
        "convert its result.",
    )


def _check_layer(layer: Any) -> None:
    for cell in cells(layer) if isinstance(layer, keras.layers.RNN) else ():
        if type(cell).__module__.startswith("keras_diffmask"):
            _refuse_masked(cell)
    module = type(layer).__module__
    if isinstance(layer, FakeQuantize):
        return
    if module.split(".")[0] == "keras_diffmask":
        _refuse_masked(layer)
    if module.split(".")[0] != "keras":
        raise UnsupportedModelError(
            "stock Keras layers only",
            f"layer '{layer.name}' of class {module}.{type(layer).__name__}",
            "Express it with Keras layers and keras.ops in a Functional model.",
        )


def _check_weights(model: Any) -> None:
    for variable in model.weights:
        dtype = keras.backend.standardize_dtype(variable.dtype)
        if dtype in ("float64", "float16", "bfloat16"):
            raise UnsupportedModelError(
                "float32 weights",
                f"'{variable.path}' of dtype {dtype}",
                "Rebuild the model under keras.config.set_dtype_policy('float32') "
                "and copy the weights.",
            )
    rebuild.require_finite(model)
