"""One run of a model with quantizers, by the arithmetic of the device's kernels.

Fake quantization rounds a real number once, and no bias. The device has sums of
integers. What the integer 1 stands for in a tensor follows from ranges and weights; it
is carried along the graph here, so that every `FakeQuantize` knows what it rounds. See
`quantizers.requantization`.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from keras_diffmask import layers
from keras_diffmask.keras_internals import Call, mask_of, operation_classes
from keras_diffmask.layers.broadcast import along
from keras_diffmask.quantization import kinds
from keras_diffmask.quantizers.requantization import AVERAGE, STORED, SUM, Multiples
from keras_diffmask.quantizers.rounding import largest

#: Those whose kernels on the device sum products of integers with a bias.
_KERNELS = (
    layers.MaskedDense,
    layers.MaskedConv1D,
    layers.MaskedConv2D,
    layers.MaskedDepthwiseConv1D,
    layers.MaskedDepthwiseConv2D,
    layers.MaskedConv1DTranspose,
    layers.MaskedConv2DTranspose,
)
_MEANS = (
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    *operation_classes("Mean"),
)
_AVERAGES = (
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    *operation_classes("AveragePool"),
)
_PRODUCTS = (keras.layers.Multiply, *operation_classes("Multiply"))
_CONCATENATIONS = (keras.layers.Concatenate, *operation_classes("Concatenate"))
#: A factor per channel that stands alone is written as a kernel of one weight.
_LONE = largest(8)


class DeviceRun:
    """What the tensors of one run are multiples of.

    Args:
        make_call: operation, args, kwargs -> its outputs.
    """

    def __init__(self, make_call: Callable[[Any, tuple, dict], Any]) -> None:
        self._make_call = make_call
        # The tensors are kept, so that no id is another's.
        self._known: dict[int, tuple[Any, Multiples]] = {}

    def perform(self, call: Call, args: tuple, kwargs: dict) -> Any:
        """One call of `keras_internals.replay`."""
        operation = call.operation
        source = self._of(args[0]) if args else None
        is_range = isinstance(operation, layers.FakeQuantize)
        if is_range and source is not None and source.kind != STORED:
            outputs = operation.requantize(args[0], source)
        else:
            outputs = self._make_call(operation, args, kwargs)
        found = self._multiples(call, args, kwargs)
        if found is not None:
            for tensor in keras.tree.flatten(outputs):
                # One that was handed on is what it was before.
                self._known.setdefault(id(tensor), (tensor, found))
        return outputs

    def _of(self, tensor: Any) -> Multiples | None:
        return self._known.get(id(tensor), (None, None))[1]

    def _multiples(self, call: Call, args: tuple, kwargs: dict) -> Multiples | None:
        """What a call's outputs are multiples of; None where nobody knows."""
        operation, shape = call.operation, call.outputs[0].shape
        if isinstance(operation, layers.FakeQuantize):
            return Multiples(operation.step(), STORED)
        if isinstance(operation, _CONCATENATIONS):
            parts = [self._of(part) for part in keras.tree.flatten(args)]
            return _concatenated(operation.axis % len(shape), parts, call)
        if isinstance(operation, _PRODUCTS):
            return _product([self._of(factor) for factor in keras.tree.flatten(args)])
        given = self._of(args[0]) if args else None
        if given is None:
            return None
        if isinstance(operation, layers.ChannelMask):
            return _masked(given, _mask(operation, kwargs), shape)
        if kinds.is_norm(operation):
            return _normalized(operation, given, kwargs, shape)
        if kinds.is_relu(operation):
            return given.times(1.0)
        if given.kind != STORED:
            return None
        if isinstance(operation, _KERNELS):
            return _summed(operation, given, kwargs, shape)
        if isinstance(operation, _MEANS):
            is_told = kwargs.get("mask") is not None or mask_of(args[0]) is not None
            return None if is_told else _mean(operation, given, call)
        if isinstance(operation, _AVERAGES):
            return Multiples(given.step, AVERAGE)
        return given if kinds.kind_of(call) == kinds.SAME else None


def _product(factors: list[Multiples | None]) -> Multiples | None:
    stored = [factor for factor in factors if factor and factor.kind == STORED]
    if len(stored) != 2 or len(factors) != 2:
        return None
    return stored[0].times(stored[1].step)


def _concatenated(
    axis: int, parts: list[Multiples | None], call: Call
) -> Multiples | None:
    """Each part is written on its own, and with the range of the whole."""
    known = [part for part in parts if part]
    lengths = [tensor.shape[axis] for tensor in call.inputs]
    if not known or None in lengths or any(part.kind == AVERAGE for part in known):
        return None
    rank = len(call.outputs[0].shape)
    steps = [
        _of_rank(part.step if part and part.count == 1 else 0.0, rank) for part in parts
    ]
    sizes = [
        max(along_axis) for along_axis in zip(*(x.shape for x in steps), strict=True)
    ]
    filled = [
        ops.broadcast_to(step, [*sizes[:axis], length, *sizes[axis + 1 :]])
        for step, length in zip(steps, lengths, strict=True)
    ]
    return Multiples(
        ops.concatenate(filled, axis), roundings=max(part.roundings for part in known)
    )


def _masked(given: Multiples, mask: Any, shape: Any) -> Multiples:
    if mask is None:
        return given
    if given.kind == SUM:
        return given.times(_along(mask, -1, shape))
    # A factor that is neither 0 nor 1 makes other numbers of them.
    keeps = ops.all(ops.logical_or(ops.equal(mask, 0.0), ops.equal(mask, 1.0)))
    return replace(given, step=ops.where(keeps, given.step, 0.0))


def _summed(
    kernel: Any, given: Multiples, kwargs: dict, shape: Any
) -> Multiples | None:
    if kernel.quantizer is None or kinds.activation_of(kernel) not in kinds.FUSED:
        return None
    mask = _mask(kernel, kwargs)
    masks = kwargs.get("input_gate_mask"), kwargs.get("output_gate_mask")
    axis = kernel.output_unit_axis()
    found = given.times(_along(kernel.kernel_steps(mask, *masks), axis, shape))
    if mask is not None and kernel.masks_output:
        found = found.times(_along(mask, axis, shape))
    return replace(found, roundings=1 if isinstance(kernel, layers.MaskedDense) else 2)


def _normalized(
    norm: Any, given: Multiples, kwargs: dict, shape: Any
) -> Multiples | None:
    axis, last = norm.axis % len(shape), len(shape) - 1
    factor = ops.rsqrt(norm.moving_variance + norm.epsilon)
    if norm.scale:
        factor = factor * norm.gamma
    mask = _mask(norm, kwargs)
    if mask is not None:
        factor = factor * ops.cast(ops.reshape(mask, (-1,)), factor.dtype)
    found = given.times(_along(factor, axis, shape))
    if given.kind == SUM:
        return found
    return found.times(1.0 / _LONE) if axis == last else None


def _mean(operation: Any, given: Multiples, call: Call) -> Multiples | None:
    inputs, outputs = (tensors[0].shape for tensors in (call.inputs, call.outputs))
    axes = keras.tree.flatten(getattr(operation, "axis", 1))
    of_examples = any(axis is None or axis % len(inputs) == 0 for axis in axes)
    if of_examples or None in (*inputs[1:], *outputs[1:]):
        return None
    count = math.prod(inputs[1:]) // math.prod(outputs[1:])
    return Multiples(given.step / count, SUM, count)


def _mask(layer: Any, kwargs: dict) -> Any:
    """The mask that multiplies a layer's units or its weights, or None."""
    mask, gate = kwargs.get("gate_mask"), getattr(layer, "gate", None)
    return gate.inference_mask() if mask is None and gate is not None else mask


def _along(vector: Any, axis: int, shape: Any) -> Any:
    return ops.cast(along(vector, axis, shape), "float32")


def _of_rank(step: Any, rank: int) -> Any:
    step = ops.convert_to_tensor(step, "float32")
    return step if len(step.shape) == rank else ops.reshape(step, (1,) * rank)
