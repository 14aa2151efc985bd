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
from keras_diffmask.keras_internals import Call, operation_classes
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
        if isinstance(operation, layers.FakeQuantize) and source is not None:
            outputs = operation.requantize(args[0], source)
        else:
            outputs = self._make_call(operation, args, kwargs)
        found = self._multiples(call, args, kwargs, outputs)
        if found is not None:
            for tensor in keras.tree.flatten(outputs):
                self._known[id(tensor)] = (tensor, found)
        return outputs

    def _of(self, tensor: Any) -> Multiples | None:
        return self._known.get(id(tensor), (None, None))[1]

    def _multiples(
        self, call: Call, args: tuple, kwargs: dict, outputs: Any
    ) -> Multiples | None:
        """What a call's outputs are multiples of; None where nobody knows."""
        operation = call.operation
        if isinstance(operation, layers.FakeQuantize):
            return Multiples(operation.step(), STORED)
        if isinstance(operation, _CONCATENATIONS):
            return self._concatenated(operation.axis, keras.tree.flatten(args), outputs)
        if isinstance(operation, _PRODUCTS):
            return self._product(keras.tree.flatten(args))
        given = self._of(args[0]) if args else None
        if given is None:
            return None
        if isinstance(operation, layers.ChannelMask):
            return _masked(given, _mask(operation, kwargs), outputs)
        if kinds.is_norm(operation):
            return _normalized(operation, given, kwargs, outputs)
        if kinds.is_relu(operation):
            return given.times(1.0)
        if given.kind != STORED:
            return None
        return _from_stored(call, given, args[0], kwargs, outputs)

    def _product(self, factors: list[Any]) -> Multiples | None:
        found = [self._of(factor) for factor in factors]
        if len(found) != 2 or any(x is None or x.kind != STORED for x in found):
            return None
        first, second = found
        return first.times(second.step) if first and second else None

    def _concatenated(
        self, axis: int, parts: list[Any], whole: Any
    ) -> Multiples | None:
        """Each part is written on its own, and with the range of the whole."""
        found = [self._of(part) for part in parts]
        if not any(found) or any(x and x.kind == AVERAGE for x in found):
            return None
        rank = len(whole.shape)
        known = [x.step if x and x.count == 1 else 0.0 for x in found]
        steps = [_of_rank(step, rank) for step in known]
        axis %= rank
        sizes = [max(sizes) for sizes in zip(*(x.shape for x in steps), strict=True)]
        filled = []
        for part, step in zip(parts, steps, strict=True):
            shape = [*sizes[:axis], part.shape[axis], *sizes[axis + 1 :]]
            if None in shape:
                return None
            filled.append(ops.broadcast_to(step, shape))
        return Multiples(ops.concatenate(filled, axis))


def _from_stored(
    call: Call, given: Multiples, inputs: Any, kwargs: dict, outputs: Any
) -> Multiples | None:
    operation = call.operation
    if isinstance(operation, _KERNELS):
        return _summed(operation, given, kwargs, outputs)
    if isinstance(operation, _MEANS):
        return _mean(given, inputs, outputs)
    if isinstance(operation, _AVERAGES):
        return Multiples(given.step, AVERAGE)
    return given if kinds.kind_of(call) == kinds.SAME else None


def _masked(given: Multiples, mask: Any, outputs: Any) -> Multiples:
    if mask is None:
        return given
    if given.kind == SUM:
        return given.times(_along(mask, -1, outputs))
    # A factor that is neither 0 nor 1 makes other numbers of them.
    keeps = ops.all(ops.logical_or(ops.equal(mask, 0.0), ops.equal(mask, 1.0)))
    return replace(given, step=ops.where(keeps, given.step, 0.0))


def _summed(
    kernel: Any, given: Multiples, kwargs: dict, outputs: Any
) -> Multiples | None:
    if kernel.quantizer is None:
        return None
    mask = _mask(kernel, kwargs)
    masks = kwargs.get("input_gate_mask"), kwargs.get("output_gate_mask")
    axis = kernel.output_unit_axis()
    found = given.times(_along(kernel.kernel_steps(mask, *masks), axis, outputs))
    if mask is not None and kernel.masks_output:
        found = found.times(_along(mask, axis, outputs))
    return replace(found, roundings=1 if isinstance(kernel, layers.MaskedDense) else 2)


def _normalized(
    norm: Any, given: Multiples, kwargs: dict, outputs: Any
) -> Multiples | None:
    axis, last = norm.axis % len(outputs.shape), len(outputs.shape) - 1
    factor = ops.rsqrt(norm.moving_variance + norm.epsilon)
    if norm.scale:
        factor = factor * norm.gamma
    mask = _mask(norm, kwargs)
    if mask is not None:
        factor = factor * ops.cast(ops.reshape(mask, (-1,)), factor.dtype)
    found = given.times(_along(factor, axis, outputs))
    if given.kind == SUM:
        return found
    return found.times(1.0 / _LONE) if axis == last else None


def _mean(given: Multiples, inputs: Any, outputs: Any) -> Multiples | None:
    sizes = [*inputs.shape[1:], *outputs.shape[1:]]
    if None in sizes:
        return None
    count = math.prod(inputs.shape[1:]) // math.prod(outputs.shape[1:])
    return Multiples(given.step / count, SUM, count)


def _mask(layer: Any, kwargs: dict) -> Any:
    """The mask that multiplies a layer's units or its weights, or None."""
    mask, gate = kwargs.get("gate_mask"), getattr(layer, "gate", None)
    return gate.inference_mask() if mask is None and gate is not None else mask


def _along(vector: Any, axis: int, tensor: Any) -> Any:
    return ops.cast(along(vector, axis, tensor.shape), "float32")


def _of_rank(step: Any, rank: int) -> Any:
    step = ops.convert_to_tensor(step, "float32")
    return step if len(step.shape) == rank else ops.reshape(step, (1,) * rank)
