"""Recipes of normalizations that take their statistics at inference.

TensorFlow 2.21 has no integer kernel of NEG and SQUARE: these run in float,
between two conversions.
"""

import math
from typing import Any

import numpy as np

from keras_diffmask.graph import Step, Term
from keras_diffmask.lowering.builder import Builder
from keras_diffmask.lowering.recipes import other

#: What no weight comes with takes fewer bytes of the file than others.
_LETTERS = -38


class _Statistics:
    """Writes what normalizes a tensor: by its mean, its mean square, or both.

    Args:
        build: what to write with.
        step: the call.
        x: what is normalized.
        positions: a Term of the entries that the statistics have.
        channels: a Term of the entries that gamma and beta have.
    """

    def __init__(
        self, build: Builder, step: Step, x: int, positions: Term, channels: Term
    ) -> None:
        self.build, self.step, self.x = build, step, x
        self.positions, self.channels = positions, channels

    def small(self, kind: str, *inputs: int, each: int = 1, **more: Any) -> int:
        out = self.build.entries(self.positions, each)
        return self._emit(kind, inputs, out, **more)

    def wide(self, kind: str, *inputs: int, each: int = 1, **more: Any) -> int:
        out = self.build.like(self.x, each)
        return self._emit(kind, inputs, out, **more)

    def _emit(self, kind: str, inputs: Any, out: int, **more: Any) -> int:
        more = {"letters": _LETTERS, **more}
        return self.build.emit(self.step, kind, inputs, out, **more)

    def vector(self, name: str, term: Term) -> dict[str, Any]:
        return {"weights": (self.build.weight(self.step, name, term),)}

    def negated(self, tensor: int) -> int:
        real = self.small("DEQUANTIZE", tensor, each=4)
        return self.small("QUANTIZE", self.small("NEG", real, each=4))

    def squared(self, tensor: int) -> int:
        real = self.wide("DEQUANTIZE", tensor, each=4)
        return self.wide("QUANTIZE", self.wide("SQUARE", real, each=4))

    def inverse_root(self, squares: int) -> int:
        mean = self.small("MEAN", squares)
        more = self.vector("epsilon", Term(1.0))
        return self.small("RSQRT", self.small("ADD", mean, **more))

    def centred(self, gamma: bool, beta: bool, spread: Term, rank: int) -> int:
        """gamma * (x - mean) / deviation + beta, as x * a + (beta - mean * a).

        Args:
            gamma: whether there is one.
            beta: whether there is one.
            spread: a Term of the entries of a, where there is a gamma.
            rank: of x as it is normalized: up to 4, differences are squared
                by one operator.
        """
        mean = self.small("MEAN", self.x)
        negative = self.negated(mean)
        if rank > 4:
            squares = self.squared(self.wide("SUB", self.x, mean))
        else:
            squares = self.wide("SQUARED_DIFFERENCE", self.x, mean)
        factor = self.inverse_root(squares)
        size = self.positions

        def along(kind: str, *inputs: int, **more: Any) -> int:
            return self._emit(kind, inputs, self.build.entries(size), **more)

        if gamma:
            size = spread
            factor = along("MUL", factor, **self.vector("gamma", self.channels))
        shift = along("MUL", negative, factor)
        if beta:
            size = spread
            shift = along("ADD", shift, **self.vector("beta", self.channels))
        product = self.wide("MUL", self.x, factor)
        return self.wide("ADD", product, shift)


def layer_normalized(build: Builder, step: Step) -> list[int]:
    """Of all channels; where some are cut, zeros take their place."""
    layer, shape = step.layer, step.call.inputs[0].shape
    axes = np.atleast_1d(np.asarray(layer.axis)).tolist()
    if [axis % len(shape) for axis in axes] != [len(shape) - 1]:
        return other(build, step)
    (source,) = build.inputs(step)
    count = shape[-1] or 1
    positions = math.prod(size or 1 for size in shape[1:-1])
    # It keeps its width, whatever is cut in front of it.
    full, channels = Term(float(positions * count)), Term(float(count))
    lost = build.lost(step.inputs[0])
    x = (
        build.emit(step, "PAD", source, build.entries(full), lost=lost)
        if lost
        else source
    )
    write = _Statistics(build, step, x, Term(float(positions)), channels)
    gamma, beta = layer.gamma is not None, layer.beta is not None
    if layer.rms_scaling:
        mean = write.small("MEAN", x)
        squares = write.wide("SQUARED_DIFFERENCE", x, mean)
        out = write.wide("MUL", x, write.inverse_root(squares))
        if gamma:
            out = write.wide("MUL", out, **write.vector("gamma", channels))
    else:
        out = write.centred(gamma, beta, full, len(shape))
    if lost:
        out = build.emit(step, "STRIDED_SLICE", out, build.output(step), lost=lost)
    return [out]


def rms_normalized(build: Builder, step: Step) -> list[int]:
    """By the root of the mean square; the scale goes into a Dense behind."""
    layer, shape = step.layer, step.call.inputs[0].shape
    axes = np.atleast_1d(np.asarray(layer.axis)).tolist()
    if [axis % len(shape) for axis in axes] != [len(shape) - 1]:
        return other(build, step)
    (x,) = build.inputs(step)
    positions = math.prod(size or 1 for size in shape[1:-1])
    channels = Term(1.0, None, step.inputs[0].reshape(-1))
    write = _Statistics(build, step, x, Term(float(positions)), channels)
    out = write.wide("MUL", x, write.inverse_root(write.squared(x)))
    return [write.wide("SCALE", out, **write.vector("scale", channels))]


def group_normalized(build: Builder, step: Step) -> list[int]:
    """The channels in groups, on an axis of their own between two reshapes."""
    layer, shape = step.layer, step.call.inputs[0].shape
    if layer.axis not in (-1, len(shape) - 1) or step.inputs[0].size != shape[-1]:
        return other(build, step)
    ids = step.inputs[0].reshape(-1)
    groups = ids.size if layer.groups == -1 else layer.groups
    (source,) = build.inputs(step)
    x = build.emit(step, "RESHAPE", source, build.like(source))
    channels = Term(1.0, None, ids)
    firsts = Term(1.0, None, ids.reshape(groups, -1)[:, 0])
    write = _Statistics(build, step, x, firsts, channels)
    gamma, beta = layer.gamma is not None, layer.beta is not None
    out = write.centred(gamma, beta, channels, len(shape) + 1)
    return [build.emit(step, "RESHAPE", out, build.output(step))]
