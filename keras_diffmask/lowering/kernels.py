"""Recipes of layers with kernels: convolutions, Dense, EinsumDense."""

import math
from typing import Any

import numpy as np

from keras_diffmask import einsum
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
    bytes_ = build.kernel_bytes(kind)
    weights = (build.weight(step, name, kernel, each, bytes_),)
    inner = "" if name == "kernel" else f"{name}/"
    bias = build.bias(step, ids, each, f"{inner}bias")
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
    each = build.kernel_bytes("FULLY_CONNECTED", not build.per_channel_dense)
    weights: tuple[Weight, ...] = (build.weight(step, "kernel", kernel, scales, each),)
    more: dict[str, Any] = {"weights": weights, "spare": bias}
    if layer.use_bias:
        more = {"weights": (*weights, bias)}
    if build.per_channel_dense:
        more["channels"] = build.measure(scales)
    out = build.output(step)
    out = build.emit(step, "FULLY_CONNECTED", build.inputs(step), out, **more)
    return [activate(build, step, out, layer.activation)]


def einsum_dense(build: Builder, step: Step) -> list[int]:
    """A FULLY_CONNECTED; a TRANSPOSE where the axes of its product are not last."""
    layer, call = step.layer, step.call
    ranks = [len(call.inputs[0].shape), len(call.outputs[0].shape)]
    axes = einsum.parse(layer.equation, ranks[0])
    if axes.shared or axes.summed:
        return other(build, step)
    (tensor,) = build.inputs(step)
    kernel, *rest = _terms(step)
    read, written = ([a for a, _ in pairs] for pairs in (axes.contracted, axes.written))
    if not _are_last(read, ranks[0]):
        tensor = build.emit(step, "TRANSPOSE", tensor, build.like(tensor))
    if len(read) > 1:
        tensor = build.emit(step, "RESHAPE", tensor, build.like(tensor))
    one_scale = not build.per_channel_dense
    each = build.kernel_bytes("FULLY_CONNECTED", one_scale)
    scales = Term(1.0, None, None if one_scale else step.outputs[0].reshape(-1))
    weights: tuple[Weight, ...] = (build.weight(step, "kernel", kernel, scales, each),)
    for term in rest:
        weights += (build.weight(step, "bias", term, scales, 4),)
    out = build.output(step)
    channels = None if one_scale else build.measure(scales)
    build.emit(step, "FULLY_CONNECTED", tensor, out, weights=weights, channels=channels)
    if len(written) > 1:
        out = build.emit(step, "RESHAPE", out, build.output(step))
    if not _are_last(written, ranks[1]):
        out = build.emit(step, "TRANSPOSE", out, build.output(step))
    return [activate(build, step, out, layer.activation)]


def _terms(step: Step) -> list[Term]:
    """Of the kernel and the bias; a rule that bars cutting counts both as one."""
    terms, layer = step.rule.parameters(step), step.layer
    if len(terms) > 1 or layer.bias_axes is None:
        return terms
    return [Term(float(math.prod(w.shape))) for w in (layer.kernel, layer.bias)]


def _are_last(axes: list[int], rank: int) -> bool:
    return sorted(axes) == list(range(rank - len(axes), rank))


def prelu(build: Builder, step: Step) -> list[int]:
    """A slope per channel."""
    slopes = step.rule.parameters(step)
    weights = tuple(build.weight(step, "alpha", term) for term in slopes)
    out = build.output(step)
    return [build.emit(step, "PRELU", build.inputs(step), out, weights=weights)]
