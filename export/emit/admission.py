"""Which models may be converted, decided before TensorFlow is started."""

from collections.abc import Iterator
from typing import Any

import keras

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.errors import UnsupportedModelError

_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)


def iterate_layers(model: Any) -> Iterator[Any]:
    """Yields every layer of `model`, inside nested models and wrappers too."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from iterate_layers(layer)
        elif isinstance(layer, keras.layers.Wrapper):
            yield layer.layer
            if hasattr(layer.layer, "layers"):
                yield from iterate_layers(layer.layer)


def check_model(model: Any) -> None:
    """Raises when `model` cannot become a .tflite file.

    Args:
        model: what the user passed to `to_tflite`.

    Raises:
        UnsupportedModelError: it is no Keras 3 Functional or Sequential model,
            is not built, holds masked or custom layers, an LSTM that has no
            fused form, a dynamic size, or weights that are no float32 numbers.
    """
    _check_kind(model)
    for layer in iterate_layers(model):
        _check_layer(layer)
        if isinstance(layer, _RECURRENT):
            _check_recurrent(layer)
    _check_sizes(model)
    _check_weights(model)


def _check_kind(model: Any) -> None:
    if type(model).__module__.startswith("keras_diffmask"):
        _refuse_masked(model)
    keras_internals.as_functional(model)


def _refuse_masked(layer: Any) -> None:
    raise UnsupportedModelError(
        "a model of stock Keras layers",
        f"'{layer.name}' ({type(layer).__name__}), which still carries masks",
        "Call export.strip(model) first and convert its result.",
    )


def _check_layer(layer: Any) -> None:
    module = type(layer).__module__
    if module.split(".")[0] == "keras_diffmask":
        _refuse_masked(layer)
    if module.split(".")[0] != "keras":
        raise UnsupportedModelError(
            "stock Keras layers only",
            f"layer '{layer.name}' of class {module}.{type(layer).__name__}",
            "Express it with Keras layers and keras.ops in a Functional model.",
        )


def _check_recurrent(layer: Any) -> None:
    kind = type(layer).__name__
    plain = type(layer) is keras.layers.LSTM or (
        type(layer) is keras.layers.RNN and type(layer.cell) is keras.layers.LSTMCell
    )
    if not plain:
        raise UnsupportedModelError(
            "keras.layers.LSTM as the only kind of recurrent layer",
            f"layer '{layer.name}' of class {kind}",
            "Replace it by LSTM layers; TFLite has no fused operator for it here.",
        )
    cell = layer.cell
    activations = {
        "activation": (cell.activation, keras.activations.tanh),
        "recurrent_activation": (cell.recurrent_activation, keras.activations.sigmoid),
    }
    for argument, (actual, needed) in activations.items():
        if actual is not needed:
            raise UnsupportedModelError(
                f"an LSTM with {argument}='{needed.__name__}', the only one TFLite "
                "has a fused operator for",
                f"layer '{layer.name}' with {argument}="
                f"'{getattr(actual, '__name__', actual)}'",
                f"Train it with {argument}='{needed.__name__}'.",
            )
    for argument in ("return_state", "stateful"):
        if getattr(layer, argument):
            raise UnsupportedModelError(
                f"an LSTM with {argument}=False",
                f"layer '{layer.name}' with {argument}=True",
                "Rebuild the layer without it and copy its weights.",
            )


def _check_sizes(model: Any) -> None:
    for tensor in model.inputs:
        sizes = tuple(tensor.shape)[1:]
        if None not in sizes:
            continue
        sequence = len(sizes) == 2 and sizes[0] is None
        raise UnsupportedModelError(
            "a fixed sequence length" if sequence else "fixed input sizes",
            f"input '{tensor.name}' of shape {tuple(tensor.shape)}",
            "Rebuild the model with "
            + (
                f"keras.Input((steps, {sizes[1]}))"
                if sequence
                else "an Input whose shape has no None"
            )
            + " and copy the weights.",
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
