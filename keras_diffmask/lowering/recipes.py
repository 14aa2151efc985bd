"""How one Keras layer becomes operators: a recipe per kind of layer."""

from collections.abc import Callable

import numpy as np

from keras_diffmask.graph import Step, Term
from keras_diffmask.lowering.activations import activate
from keras_diffmask.lowering.builder import Builder
from keras_diffmask.lowering.padding import pads, same_pads

#: Writes a call's operators; returns the activations that are its outputs.
Recipe = Callable[[Builder, Step], list[int]]


def vanishes(build: Builder, step: Step) -> list[int]:
    """Nothing at inference: dropout, noise, a linear activation."""
    outputs = tuple(build.output(step, k) for k in range(len(step.outputs)))
    first = build.inputs(step)[:1]
    return [build.emit(step, "NONE", first, out) for out in outputs]


def other(build: Builder, step: Step) -> list[int]:
    """One operator with outputs of its own, and the layer's weights at one byte."""
    build.unknown.append(step.name)
    outputs = tuple(build.output(step, k) for k in range(len(step.outputs)))
    terms = step.rule.parameters(step) if hasattr(step.layer, "weights") else []
    weights = tuple(
        build.weight(step, f"weights_{k}", term)
        for k, term in enumerate(terms)
        if term.factor
    )
    build.emit(step, "OTHER", build.inputs(step), outputs, weights=weights)
    return list(outputs)


def own(kind: str) -> Recipe:
    """One operator with an output of its own."""

    def recipe(build: Builder, step: Step) -> list[int]:
        return [build.emit(step, kind, build.inputs(step), build.output(step))]

    return recipe


def pool(kind: str) -> Recipe:
    """A pooling; of sequences, with an axis of 1 in front."""

    def recipe(build: Builder, step: Step) -> list[int]:
        lifted = len(step.call.inputs[0].shape) == 3
        out = build.output(step, lifted=lifted)
        return [build.emit(step, kind, build.inputs(step), out)]

    return recipe


def reshape(build: Builder, step: Step) -> list[int]:
    """A RESHAPE, which copies in TFLM; nothing where the shape stays."""
    before, after = step.call.inputs[0].shape, step.call.outputs[0].shape
    kind = "NONE" if tuple(before) == tuple(after) else "RESHAPE"
    vector = len(before) == 2 and after[-1] == before[-1]
    out = build.output(step)
    return [build.emit(step, kind, build.inputs(step), out, single=(vector,))]


def activation(build: Builder, step: Step) -> list[int]:
    """A layer that is an activation function."""
    return [activate(build, step, build.inputs(step)[0], step.layer.activation)]


def joined(kind: str) -> Recipe:
    """Inputs that meet channel by channel, two at a time."""

    def recipe(build: Builder, step: Step) -> list[int]:
        total, *rest = build.inputs(step)
        if not rest:
            return [_with_constant(build, step, kind)]
        for more in rest:
            total = build.emit(step, kind, (total, more), build.output(step))
        return [total]

    return recipe


def _with_constant(build: Builder, step: Step, kind: str) -> int:
    """The operator `x + 2`, say."""
    constant = build.weight(step, "constant", Term(1.0))
    out = build.output(step)
    return build.emit(step, kind, build.inputs(step), out, weights=(constant,))


def summed(build: Builder, step: Step) -> list[int]:
    """An Add: what is closed drops out of it, and a ReLU fuses into it."""
    if len(step.call.inputs) == 1:
        return [_with_constant(build, step, "ADD")]
    single = tuple(
        all((size or 1) == 1 for size in tensor.shape[1:-1])
        for tensor in step.call.inputs
    )
    shift = build.weight(step, "shift", Term(1.0, None, step.outputs[0].reshape(-1)))
    out = build.emit(
        step,
        "SUM",
        build.inputs(step),
        build.output(step),
        weights=(shift,),
        single=single,
        shifts=tuple(build.leaves_constant(x) for x in step.call.inputs),
    )
    return [out]


def averaged(build: Builder, step: Step) -> list[int]:
    """A sum, and a product with 1 / n."""
    (total,) = summed(build, step)
    factor = build.weight(step, "factor", Term(1.0))
    out = build.output(step)
    return [build.emit(step, "MUL", total, out, weights=(factor,))]


def normalized(build: Builder, step: Step) -> list[int]:
    """A BatchNormalization: two vectors, if they can't be folded into a neighbour."""
    ids = step.inputs[0].reshape(-1)
    vectors = tuple(
        build.weight(step, name, Term(1.0, None, ids)) for name in ("scale", "shift")
    )
    out = build.output(step)
    return [build.emit(step, "NORM", build.inputs(step), out, weights=vectors)]


def rescaled(build: Builder, step: Step) -> list[int]:
    """A factor goes into the convolution behind; an offset may not."""
    layer = step.layer
    if not np.any(layer.offset):
        return vanishes(build, step)
    names = ("offset",) if np.all(np.equal(layer.scale, 1)) else ("scale", "offset")
    weights = tuple(
        build.weight(step, name, Term(float(np.size(getattr(layer, name)))))
        for name in names
    )
    out = build.output(step)
    return [build.emit(step, "NORM", build.inputs(step), out, weights=weights)]


def standardized(build: Builder, step: Step) -> list[int]:
    """A Normalization: a mean off, then a product with 1 / deviation."""
    (total,) = build.inputs(step)
    for kind, name in (("SUB", "mean"), ("MUL", "deviation")):
        entries = Term(float(np.size(getattr(step.layer, name, 1.0))))
        value = build.weight(step, name, entries)
        out = build.output(step)
        total = build.emit(step, kind, total, out, weights=(value,))
    return [total]


def resized(build: Builder, step: Step) -> list[int]:
    """An upsampling; the nearest neighbour becomes tiles, which TFLM lacks."""
    if getattr(step.layer, "interpolation", "nearest") != "bilinear":
        return other(build, step)
    return own("RESIZE_BILINEAR")(build, step)


def padded(build: Builder, step: Step) -> list[int]:
    """A PAD, unless the one convolution behind it pads just so by itself."""
    readers = build.graph.consumers.get(id(step.call.outputs[0]), [])
    kind = "PAD"
    if len(readers) == 1 and getattr(readers[0].layer, "padding", "") == "valid":
        wanted = same_pads(readers[0].layer, step.call.inputs[0].shape)
        kind = "NONE" if wanted == pads(step.layer) else "PAD"
    return [build.emit(step, kind, build.inputs(step), build.output(step))]
