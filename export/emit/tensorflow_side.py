"""The calls into TensorFlow's converter. Imported in the child process only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_diffmask.export.emit import calibrator
from keras_diffmask.export.emit.admission import iterate_layers
from keras_diffmask.export.emit.fused_lstm import fuse
from keras_diffmask.export.flatbuffer import set_order
from keras_diffmask.targets import Target

# Enough to tell a right file from a wrong one; LiteRT runs them one by one.
_COMPARED = 64


@dataclass(frozen=True)
class PreparedModel:
    """A model whose LSTMs will be fused, and what it answered before that."""

    model: Any
    reference: tuple[np.ndarray, ...]
    recurrent_layers: bool


def prepare_model(model: Any, samples: list[np.ndarray]) -> PreparedModel:
    """Computes reference outputs, then swaps the LSTM layers in place.

    Args:
        model: the child's own copy of the model.
        samples: one array per input.

    Returns:
        The swapped model with the outputs of the untouched one.
    """
    layers = list(iterate_layers(model))
    cells = [layer.cell for layer in layers if isinstance(layer, keras.layers.RNN)]
    for layer in (model, *layers, *cells):
        # Mixed precision computes in 16 bits; a .tflite file does not.
        layer.dtype_policy = keras.DTypePolicy("float32")
    inputs = [sample[:_COMPARED] for sample in samples]
    outputs = model(inputs[0] if len(inputs) == 1 else inputs, training=False)
    if not isinstance(outputs, (list, tuple)):
        outputs = [outputs]
    reference = tuple(keras.ops.convert_to_numpy(output) for output in outputs)
    recurrent = [layer for layer in layers if isinstance(layer, keras.layers.RNN)]
    for layer in recurrent:
        fuse(layer)
    return PreparedModel(model, reference, bool(recurrent))


def convert(
    prepared: PreparedModel,
    quantization: str,
    samples: list[np.ndarray],
    target: Target,
) -> bytes:
    """Runs the converter.

    Args:
        prepared: what `prepare_model` returned.
        quantization: "float32" or "int8".
        samples: one array per input, the calibration set of "int8".
        target: decides how Dense kernels are quantized.

    Returns:
        The bytes of the .tflite file as the converter wrote them, but with
        inputs and outputs in the model's order.
    """
    converter = _make_converter(prepared.model)
    if quantization == "float32":
        return _in_order(converter.convert(), prepared.model)
    names, _ = signature_names(prepared.model)

    def examples() -> Iterator[Any]:
        for k in range(len(samples[0])):
            rows = [sample[k : k + 1] for sample in samples]
            yield rows if len(rows) == 1 else dict(zip(names, rows, strict=True))

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = examples
    # Without this a layer with no integer kernel would silently stay float.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = (
        not target.per_channel_dense
    )
    if prepared.recurrent_layers:
        calibrator.reset_state_between_examples()
    return _in_order(converter.convert(), prepared.model)


def signature_names(model: Any) -> tuple[list[str], list[str]]:
    """Returns what inputs and outputs are called in the file, in Keras' order."""
    # TensorFlow accepts only identifiers, and each once.
    inputs = [re.sub(r"\W", "_", tensor.name) for tensor in model.inputs]
    if len(set(inputs)) < len(inputs):
        inputs = [f"input_{i}" for i in range(len(inputs))]
    return inputs, [f"output_{i}" for i in range(len(model.outputs))]


def _in_order(content: bytes, model: Any) -> bytes:
    # The converter sorts inputs and outputs its own way, and positions are what
    # C++ and TFLM callers go by.
    buffer = bytearray(content)
    set_order(buffer, *signature_names(model))
    return bytes(buffer)


def _make_converter(model: Any) -> Any:
    input_names, output_names = signature_names(model)
    specs = [
        tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, name=name)
        for tensor, name in zip(model.inputs, input_names, strict=True)
    ]

    @tf.function(autograph=False)
    def serve(*inputs: Any) -> dict[str, Any]:
        outputs = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        if not isinstance(outputs, (list, tuple)):
            outputs = [outputs]
        return dict(zip(output_names, outputs, strict=True))

    # TensorFlow does not track Keras 3 variables; unowned, they would stay
    # READ_VARIABLE operators and answer NaN.
    owner = tf.Module()
    owner.held = [variable.value for variable in model.variables]
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function(*specs)], owner
    )
