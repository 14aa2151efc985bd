"""Recipes of layers with kernels: convolutions, Dense, LSTM."""

import math
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph import Step, Term
from keras_diffmask.lowering.activations import activate
from keras_diffmask.lowering.builder import Builder
from keras_diffmask.lowering.program import Weight
from keras_diffmask.lowering.recipes import Recipe, other


def convolution(kind: str) -> Recipe:
    """A kernel with a scale per output channel, its bias, and its activation."""

    def recipe(build: Builder, step: Step) -> list[int]:
        layer = step.layer
        if getattr(layer, "data_format", None) == "channels_first":
            return other(build, step)
        ids = step.outputs[0].reshape(-1)
        kernel = _kernel(step) or Term(float(math.prod(layer.kernel.shape)))
        source = _causal(build, step)
        out = _convolve(build, step, kind, source, (kernel, layer.use_bias, ids))
        return [activate(build, step, out, layer.activation)]

    return recipe


def depthwise(build: Builder, step: Step) -> list[int]:
    """As a convolution, with one kernel per channel."""
    layer, ids = step.layer, step.outputs[0].reshape(-1)
    if layer.data_format == "channels_first":
        return other(build, step)
    kernel = Term(float(math.prod(layer.kernel_size)), None, ids)
    parts = (kernel, layer.use_bias, ids)
    source = build.inputs(step)[0]
    out = _convolve(build, step, "DEPTHWISE_CONV_2D", source, parts)
    return [activate(build, step, out, layer.activation)]


def separable(build: Builder, step: Step) -> list[int]:
    """A depthwise convolution, and one of 1 x 1."""
    layer = step.layer
    if layer.data_format == "channels_first":
        return other(build, step)
    shape = step.call.outputs[0].shape
    inner = np.repeat(step.inputs[0].reshape(-1), layer.depth_multiplier)
    taps = Term(float(math.prod(layer.kernel_size)), None, inner)
    middle = build.tensor(inner, (*shape[:-1], inner.size), lifted=len(shape) == 3)
    source = _causal(build, step)
    parts = (taps, False, inner)
    _convolve(build, step, "DEPTHWISE_CONV_2D", source, parts, middle, "depthwise")
    ids = step.outputs[0].reshape(-1)
    point = (Term(1.0, inner, ids), layer.use_bias, ids)
    out = _convolve(build, step, "CONV_2D", middle, point)
    return [activate(build, step, out, layer.activation)]


def _kernel(step: Step) -> Term | None:
    """The entries of the kernel, in the rule's words; None where it bars cutting."""
    barrier = getattr(step.rule, "barrier", None)
    if barrier is None or barrier(step):
        return None
    return step.rule.parameters(step)[0]


def _convolve(
    build: Builder,
    step: Step,
    kind: str,
    source: int,
    parts: tuple[Term, bool, np.ndarray],
    out: int | None = None,
    name: str = "kernel",
) -> int:
    kernel, has_bias, ids = parts
    each = Term(1.0, None, ids)
    weights = (build.weight(step, name, kernel, each),)
    bias = build.bias(step, ids, each)
    if out is None:
        out = build.output(step, lifted=len(step.call.outputs[0].shape) == 3)
    return build.emit(
        step,
        kind,
        source,
        out,
        weights=(*weights, bias) if has_bias else weights,
        spare=None if has_bias else bias,
        channels=build.measure(each),
        # Names of 1-D layers also hold those of the reshapes around them.
        letters=50 * build.tensors[out].lifted,
    )


def _causal(build: Builder, step: Step) -> int:
    """The input, padded in front where the layer is causal."""
    (source,) = build.inputs(step)
    if step.layer.padding != "causal":
        return source
    shape = step.call.inputs[0].shape
    more = (step.layer.kernel_size[0] - 1) * step.layer.dilation_rate[0]
    length = (shape[1] or 1) + more
    out = build.tensor(step.inputs[0], (shape[0], length, *shape[2:]))
    return build.emit(step, "PAD", source, out)


def dense(build: Builder, step: Step) -> list[int]:
    """A FULLY_CONNECTED at every position."""
    layer, ids = step.layer, step.outputs[0].reshape(-1)
    kernel = _kernel(step) or Term(float(math.prod(layer.kernel.shape)))
    scales = Term(1.0, None, ids) if build.per_channel_dense else Term(1.0)
    bias = build.bias(step, ids, scales)
    weights: tuple[Weight, ...] = (build.weight(step, "kernel", kernel, scales),)
    more: dict[str, Any] = {"weights": weights, "spare": bias}
    if layer.use_bias:
        more = {"weights": (*weights, bias)}
    out = build.output(step)
    out = build.emit(step, "FULLY_CONNECTED", build.inputs(step), out, **more)
    return [activate(build, step, out, layer.activation)]


def lstm(build: Builder, step: Step) -> list[int]:
    """One fused operator: four kernels on the input, four on the state, four biases."""
    layer = step.layer
    is_lstm = isinstance(layer.cell, keras.layers.LSTMCell)
    if not is_lstm or len(step.inputs) > 1 or len(step.outputs) > 1:
        return other(build, step)
    units = step.outputs[0].reshape(-1)
    rows = step.inputs[0].reshape(-1)
    weights = []
    for gate in "ifco":
        weights += [
            build.weight(step, f"kernel_{gate}", Term(1.0, rows, units)),
            build.weight(step, f"recurrent_{gate}", Term(1.0, units, units)),
            build.weight(step, f"bias_{gate}", Term(1.0, None, units), each=4),
        ]
    (source,) = build.inputs(step)
    if layer.go_backwards:
        source = build.emit(step, "REVERSE_V2", source, build.like(source))
    shape = step.call.inputs[0].shape
    sequence = build.tensor(units, (*shape[:2], units.size))
    build.emit(
        step,
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        source,
        sequence,
        weights=tuple(weights),
        width=build.measure(Term(1.0, None, units)),
    )
    if layer.return_sequences:
        return [sequence]
    return [build.emit(step, "STRIDED_SLICE", sequence, build.output(step))]


def embedding(build: Builder, step: Step) -> list[int]:
    """A table that rows are gathered from."""
    ids = step.outputs[0].reshape(-1)
    table = build.weight(step, "table", Term(float(step.layer.input_dim), None, ids))
    out = build.output(step)
    return [build.emit(step, "GATHER", build.inputs(step), out, weights=(table,))]


def prelu(build: Builder, step: Step) -> list[int]:
    """A slope per channel."""
    slopes = step.rule.parameters(step)
    weights = tuple(build.weight(step, "alpha", term) for term in slopes)
    out = build.output(step)
    return [build.emit(step, "PRELU", build.inputs(step), out, weights=weights)]
