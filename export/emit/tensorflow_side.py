"""The calls into TensorFlow's converter. Imported in the child process only."""

import functools
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_diffmask import keras_internals
from keras_diffmask.export import modes
from keras_diffmask.export.emit import calibrator
from keras_diffmask.export.emit.admission import InputSize, resolve_inputs
from keras_diffmask.export.emit.asking import ask, examples_of
from keras_diffmask.export.emit.cell_ranges import with_cell_ranges
from keras_diffmask.export.emit.conditioning import moves_by_rounding
from keras_diffmask.export.emit.fused_lstm import recording
from keras_diffmask.export.emit.int4 import quantize_to_int4
from keras_diffmask.export.emit.recurrent import FusedCall, iterate_layers
from keras_diffmask.export.emit.swap import swap_layers
from keras_diffmask.export.flatbuffer import set_order
from keras_diffmask.export.metadata import mark_streaming
from keras_diffmask.targets import Target

# Enough to tell a right file from a wrong one; LiteRT runs them one by one.
_COMPARED = 64


@dataclass(frozen=True)
class PreparedModel:
    """A model with its layers swapped, and what it answered before that.

    Args:
        model: the swapped model.
        reference: the outputs of the untouched one for the first samples.
        inputs: its inputs, of known sizes.
        streaming: whether the file is to take one step per call.
        moves: how far each output moves by rounding alone; empty where nobody asked.
    """

    model: Any
    reference: tuple[np.ndarray, ...]
    inputs: tuple[InputSize, ...]
    streaming: bool = False
    moves: tuple[float, ...] = ()


@dataclass(frozen=True)
class Conversion:
    """What the converter wrote, and the operators it should have fused."""

    content: bytes
    fused: tuple[FusedCall, ...]


def prepare_model(
    model: Any,
    samples: list[np.ndarray],
    steps: int | None = None,
    streaming: bool = False,
    conditioned: bool = False,
) -> PreparedModel:
    """Computes reference outputs, then swaps layers in place.

    Args:
        model: the child's own copy of the model.
        samples: one array per input.
        steps: length of the sequences where the model leaves it open.
        streaming: whether the file is to take one step per call.
        conditioned: also find out how far its outputs move by rounding alone.

    Returns:
        The swapped model with the outputs of the untouched one.
    """
    inputs = resolve_inputs(model, steps, streaming)
    for layer in (model, *keras_internals.flatten_layers(model)):
        # Mixed precision computes in 16 bits; a .tflite file does not.
        layer.dtype_policy = keras.DTypePolicy("float32")
        if isinstance(layer, keras.layers.RNN):
            layer.stateful = False  # every sample is a sequence of its own
    compared = [sample[:_COMPARED] for sample in samples]
    reference = _answers(model, compared)
    moves: tuple[float, ...] = ()
    if conditioned:
        ask_it = functools.partial(_answers, model)
        moves = moves_by_rounding(model, ask_it, compared, reference)
    swap_layers(model, steps)
    return PreparedModel(model, reference, tuple(inputs), streaming, moves)


def _answers(model: Any, samples: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    outputs = model(_one_or_list(list(samples)), training=False)
    return tuple(map(keras.ops.convert_to_numpy, keras.tree.flatten(outputs)))


def convert(
    prepared: PreparedModel,
    quantization: str,
    samples: list[np.ndarray] | None,
    target: Target,
    io: str | None = None,
) -> Conversion:
    """Runs the converter.

    Args:
        prepared: what `prepare_model` returned.
        quantization: the name of a mode.
        samples: one array per input, the calibration set of integer modes; None
            where every tensor has a learned range.
        target: decides how Dense kernels are quantized.
        io: the type of inputs and outputs; None: the mode's usual one.

    Returns:
        The bytes of the .tflite file as the converter wrote them, but with
        inputs and outputs in the model's order, and the fused calls in it.
    """
    mode = modes.get(quantization)
    io = io or mode.io[0]
    names = signature_names(prepared.model)
    _allow_names(prepared.model)
    converter, fused = _make_converter(prepared)
    examples, steps = None, 1
    if samples is not None:
        steps = _calls_per_sequence(prepared, samples)
        examples = examples_of(samples, names[0], steps, prepared.streaming)
    ask(converter, mode, io, target, examples)
    if mode.integers and fused and samples is not None:
        calibrator.measure_without_cell_clip()
        calibrator.reset_state_between_sequences(steps)
        # In a stream the calibrator sees the state after every step by itself.
        if not prepared.streaming:
            fused = with_cell_ranges(fused, prepared.model, samples)
    content = converter.convert()
    if mode.name == "int4" and samples is not None:
        dense = target.per_channel_dense
        content = quantize_to_int4(content, names[0], samples, dense, io)
    content = bytearray(content)
    # The converter sorts inputs and outputs its own way, and positions are what
    # C++ and TFLM callers go by.
    set_order(content, *names)
    if prepared.streaming:
        mark_streaming(content)
    return Conversion(bytes(content), fused)


def _calls_per_sequence(prepared: PreparedModel, samples: list[np.ndarray]) -> int:
    return samples[0].shape[1] if prepared.streaming else 1


def signature_names(model: Any) -> tuple[list[str], list[str]]:
    """Returns what inputs and outputs are called in the file, in Keras' order."""
    # TensorFlow accepts only identifiers, and each once, in whatever case.
    inputs = [_allowed(tensor.name, r"[^A-Za-z0-9_]") for tensor in model.inputs]
    inputs = [f"x{name}" if keyword.iskeyword(name) else name for name in inputs]
    if len({name.lower() for name in inputs}) < len(inputs):
        inputs = [f"input_{i}" for i in range(len(inputs))]
    return inputs, [f"output_{i}" for i in range(len(model.outputs))]


def _make_converter(prepared: PreparedModel) -> tuple[Any, tuple[FusedCall, ...]]:
    model = prepared.model
    input_names, output_names = signature_names(model)
    specs = []
    for size, name in zip(prepared.inputs, input_names, strict=True):
        sizes = size.shape[1:]
        shape = (1, 1, *sizes[1:]) if prepared.streaming else (1, *sizes)
        specs.append(tf.TensorSpec(shape, size.dtype, name=name))

    @tf.function(autograph=False)
    def serve(*inputs: Any) -> dict[str, Any]:
        if prepared.streaming:
            outputs = _replay(model, list(inputs))
        else:
            outputs = model(_one_or_list(inputs), training=False)
        return dict(zip(output_names, keras.tree.flatten(outputs), strict=True))

    # TensorFlow does not track Keras 3 variables; unowned, they would stay
    # READ_VARIABLE operators and answer NaN.
    owner = tf.Module()
    owner.held = [variable.value for variable in model.variables]
    with recording() as calls:
        traced = serve.get_concrete_function(*specs)
        fused = _alive(calls, traced)
    return tf.lite.TFLiteConverter.from_concrete_functions([traced], owner), fused


def _replay(model: Any, inputs: list[Any]) -> Any:
    """Runs the model's graph on inputs of one step, which its Inputs may refuse."""

    def perform(call: Any, args: tuple, kwargs: dict) -> Any:
        if hasattr(call.operation, "layers"):
            return _replay(call.operation, keras.tree.flatten(args))
        return call.operation(*args, **kwargs)

    return keras_internals.replay(keras_internals.as_functional(model), inputs, perform)


def _alive(calls: list[FusedCall], traced: Any) -> tuple[FusedCall, ...]:
    """Those calls that an output depends on: the converter drops the others."""
    waiting = [tensor.op for tensor in traced.outputs]
    seen = set()
    while waiting:
        op = waiting.pop()
        if op not in seen:
            seen.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return tuple(call for call in calls if call.output.op in seen)


def _allow_names(model: Any) -> None:
    """Underscores for what Keras allows in a name and TensorFlow's scopes do not."""
    for layer in (model, *iterate_layers(model)):
        layer.name = _allowed(layer.name)
    for variable in model.variables:
        # Named when they were made; no other way to name a tf.Variable anew.
        variable.value._handle_name = _allowed(variable.value._handle_name)


def _allowed(name: str, others: str = r"[^A-Za-z0-9_./:-]") -> str:
    name = re.sub(others, "_", name)
    # At the root, it starts with a letter or a digit.
    return name if name[:1].isalnum() else f"x{name}"


def _one_or_list(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else list(values)
