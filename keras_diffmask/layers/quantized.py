"""Weights of a layer as the device will hold them, with the masks that apply."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar

import keras
from keras import ops

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.layers.broadcast import along, multiply
from keras_diffmask.quantizers import WeightQuantizer

Pairs = list[tuple[Any, Any]]
#: Weight attribute, its axis (or axes) of units, and the mask that closes these.
Closing = tuple[str, Any, Any]


class QuantizedWeights(keras.layers.Layer):
    """Mix-in of a masked layer: its weights under masks and under its quantizer."""

    quantizer: WeightQuantizer | None
    masked_weights: Callable[[Any], Pairs]
    #: Weight attribute -> its axes that have scales of their own under a quantizer.
    quantized: dict[str, tuple[int, ...]] = {"kernel": (-1,)}
    #: Weight attribute -> its axis along which inputs lie, where all outputs read
    #: all of them.
    read_axes: dict[str, int] = {}
    #: Whether units may share a scale, so that the layer wants to be told which
    #: of them a mask behind it closes.
    is_told_of_outputs: ClassVar[bool] = False

    def weights_read(self, mask: Any, input_mask: Any) -> Pairs:
        """`masked_weights`, with 0 for those that read closed inputs."""
        pairs = [] if mask is None else self.masked_weights(mask)
        return pairs if input_mask is None else self.reading(pairs, input_mask)

    def reading(self, pairs: Pairs, input_mask: Any) -> Pairs:
        """The pairs, with 0 in place of all weights that read closed inputs."""
        return reading(self, pairs, input_mask)

    def counted(self, pairs: Pairs, mask: Any, output_mask: Any) -> Pairs:
        """The pairs, with 0 for the weights that must not count for a scale.

        They make units that are closed behind them, and go in the strip. In
        training they are weights like all others, whose gates learn by them.
        """
        closing = self.closing(mask, output_mask)
        return only_open(self, pairs, closing) if closing else pairs

    def closing(self, mask: Any, output_mask: Any) -> list[Closing]:
        """Which masks close units of weights that they do not multiply.

        Args:
            mask: the layer's own mask, or None.
            output_mask: which of its outputs are open, or None.
        """
        masks_output = mask is not None and getattr(self, "masks_output", False)
        behind = mask if output_mask is None and masks_output else output_mask
        axes: dict[str, Any] = getattr(self, "unit_axes", {})
        shared = [name for name in self.quantized if name in axes]
        if behind is None or not self.shares_scales:
            return []
        return [(name, axes[name], behind) for name in shared]

    @property
    def shares_scales(self) -> bool:
        """Whether a unit's scale hangs on the weights of other units."""
        has_own = self.quantizer is None or self.quantizer.per_channel
        return not has_own or () in self.quantized.values()

    def weights_under(
        self,
        mask: Any,
        input_mask: Any = None,
        training: Any = False,
        output_mask: Any = None,
    ) -> Pairs:
        """Pairs of a weight and its value under masks and quantizer, as they apply."""
        pairs = self.weights_read(mask, input_mask)
        if self.quantizer is None:
            return pairs
        counted = self.counted(pairs, mask, output_mask)
        pairs = on_grid(self.quantizer, self, self.quantized, pairs, counted=counted)
        if training:
            self.quantizer.count_down()
        return pairs

    def kernel_steps(
        self, mask: Any, input_mask: Any = None, output_mask: Any = None
    ) -> Any:
        """What the integer 1 of the kernel stands for under the masks.

        Returns:
            Vector, one number per output channel or one in all; 0 while the
            quantizer is off.
        """
        ((name, axes),) = self.quantized.items()
        pairs = self.counted(self.weights_read(mask, input_mask), mask, output_mask)
        variable = getattr(self, name)
        found = [value for weight, value in pairs if weight is variable]
        quantizer: Any = self.quantizer
        return quantizer.step(found[0] if found else variable, axes)


def require_kernel(layer: Any) -> None:
    """Refuse a quantizer on a layer that has nothing for it.

    Raises:
        InvalidArgumentError: saying where it belongs.
    """
    if layer.quantizer is not None and not layer.quantized:
        raise InvalidArgumentError(
            f"a layer with a kernel for the quantizer of {layer.name!r}",
            f"a {type(layer).__name__}",
            "Leave it out here: what a normalization multiplies by is folded into "
            "the kernel before it, whose quantizer covers it.",
        )


def on_grid(
    quantizer: WeightQuantizer,
    layer: Any,
    quantized: dict[str, tuple[int, ...]],
    pairs: Pairs,
    parts: int = 1,
    counted: Pairs | None = None,
) -> Pairs:
    """Pairs of a weight and its value, on the grid of a quantizer.

    Args:
        quantizer: what rounds the weights.
        layer: the layer, or the cell of one, that has them.
        quantized: weight attribute -> axes with scales of their own.
        pairs: what masks make of weights.
        parts: gates side by side along the last axis, with a scale each.
        counted: the pairs that scales are of, where those are others.
    """
    found = {id(variable): (variable, value) for variable, value in pairs}
    scaled = {id(variable): value for variable, value in counted or pairs}
    for path, axes in quantized.items():
        variable = attrgetter(path)(layer)
        _, value = found.get(id(variable), (None, variable))
        of = scaled.get(id(variable), value)
        of = None if of is value else of
        found[id(variable)] = (variable, quantizer.rounded(value, axes, parts, of))
    return list(found.values())


def only_open(layer: Any, pairs: Pairs, closing: list[Closing]) -> Pairs:
    """The pairs, with 0 in place of the weights of closed units.

    Args:
        layer: a layer with the weights.
        pairs: what masks make of weights.
        closing: where the units lie, and which of them are open.
    """
    found = {id(variable): (variable, value) for variable, value in pairs}
    for path, axes, mask in closing:
        variable = attrgetter(path)(layer)
        _, value = found.get(id(variable), (None, variable))
        is_open = ops.cast(ops.not_equal(mask, 0.0), "float32")
        value = multiply(value, along(is_open, axes, variable.shape))
        found[id(variable)] = (variable, value)
    return list(found.values())


def reading(layer: Any, pairs: Pairs, input_mask: Any) -> Pairs:
    """The pairs, with 0 in place of all weights that read closed inputs.

    It changes no output, for such an input is 0. It matters to a quantizer,
    whose scale must not hang on weights that the strip removes.

    Args:
        layer: a masked layer with `read_axes`.
        pairs: what masks make of weights.
        input_mask: the mask of the inputs, flat.
    """
    found = {id(variable): (variable, value) for variable, value in pairs}
    for name, axis in layer.read_axes.items():
        variable = getattr(layer, name)
        _, value = found.get(id(variable), (None, variable))
        value = ops.convert_to_tensor(value)
        is_open = ops.cast(
            ops.not_equal(ops.reshape(input_mask, (-1,)), 0.0), value.dtype
        )
        is_read = _along_reads(layer, value, axis, is_open)
        found[id(variable)] = (variable, value * is_read)
    return list(found.values())


def _along_reads(layer: Any, kernel: Any, axis: int, is_open: Any) -> Any:
    """The inputs' mask, shaped to multiply a kernel."""
    groups, rank = getattr(layer, "groups", 1), len(kernel.shape)
    if groups == 1:
        # Every input makes so many rows: those of a depthwise kernel before it.
        each = kernel.shape[axis] // is_open.shape[0]
        shape = [1] * rank
        shape[axis] = kernel.shape[axis]
        return ops.reshape(ops.repeat(is_open, each) if each > 1 else is_open, shape)
    # Row r of a filter in group g reads input g * rows + r.
    rows, filters = kernel.shape[-2], kernel.shape[-1]
    by_group = ops.transpose(ops.reshape(is_open, (groups, rows)))
    mask = ops.repeat(by_group, filters // groups, axis=1)
    return ops.reshape(mask, (1,) * (rank - 2) + (rows, filters))
