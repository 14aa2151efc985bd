"""pack: which weights have rows, and which places of them are kept."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import rebuild
from keras_diffmask.export.packing.packed import Packed
from keras_diffmask.export.packing.rows import RowLayout
from keras_diffmask.export.packing.tensor import PackedTensor
from keras_diffmask.inline import inlined
from keras_diffmask.layers import STOCK_TO_MASKED
from keras_diffmask.layers.masked import MaskedLayer
from keras_diffmask.masking import gates
from keras_diffmask.masking.bake import bake


def pack(model: keras.Model) -> Packed:
    """Write each kernel that keeps k of n per row as k values and k places.

    A row takes `k * width * bytes per value + ceil(k * ceil(log2(n)) / 8)`
    bytes, and all rows of a kernel are equally long, so that row r begins at r
    times that (DPP's memory banks; arXiv:2105.12686). Rows are those in which
    the gate of a `TopK` chooses. In other kernels a row is all that makes one
    output unit, and k is what the fullest row keeps. A kernel that would not
    become smaller stays dense, and the table names it.

    Stock TFLite runs such weights dense: the packed form is for kernels or
    memory banks of your own.

    Args:
        model: a masked, stripped or plain Functional or Sequential model. It
            is not changed. Its closed channels stay in as zeros: pack
            `strip(model)` where there are any.

    Returns:
        A `Packed`: print it, `save` it, or get the weights back from it.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt or not Keras 3,
            or holds NaN.

    Example:

    >>> import keras, numpy as np
    >>> from keras_diffmask import export
    >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(8)])
    >>> kernel = np.zeros((64, 8), "float32")
    >>> kernel[[1, 33]] = 1.5                      # 2 of the 64 inputs of each unit
    >>> model.layers[0].set_weights([kernel, np.ones(8)])
    >>> packed = export.pack(model)
    >>> packed.size["dense/kernel"]                # 8 * (2 * 4 + ceil(2 * 6 / 8))
    (80, 2048)

    Reference:
        Gonzalez-Carabarin et al., Dynamic probabilistic pruning,
        arXiv:2105.12686: k of n as here.
    """
    _warn_of_closed_units(model)
    gated = dict(_gated(inlined(model)))
    stock = bake(model)
    rebuild.require_finite(stock)
    return Packed(tuple(_tensors(stock, gated)))


def _warn_of_closed_units(model: keras.Model) -> None:
    """Zeros in every row at once save nothing here, and are gone once stripped."""
    closed = sum(
        int((~gate.keep).sum()) for gate in gates(model) if gate.mask_shape[1:] == ()
    )
    if closed:
        warnings.warn(
            f"{closed:,} channels or inputs of {model.name!r} are closed, and are "
            "packed as zeros. Pack export.strip(model) instead, which takes out "
            "what can go.",
            stacklevel=3,
        )


def _tensors(
    stock: keras.Model, gated: dict[tuple[str, str], Any]
) -> Iterator[PackedTensor]:
    first: dict[str, tuple[Any, Any]] = {}
    for layer in stock.layers:
        masked = STOCK_TO_MASKED.get(type(layer))
        # Recurrent layers hold their weights in cells: rows by the last axis.
        for name, axes in getattr(masked, "unit_axes", {}).items():
            weight = getattr(layer, name, None)
            if weight is not None:
                first[weight.path] = (gated.get((layer.name, name)), axes)
    for weight in stock.weights:
        array = ops.convert_to_numpy(weight)
        gate, axes = first.get(weight.path, (None, -1))
        by_gate = None if gate is None else _rows_of(gate, array.shape)
        if by_gate is not None:
            yield PackedTensor.of_rows(weight.path, array, *by_gate)
        elif array.ndim > 1 and array.size:
            layout = _by_unit(array.shape, axes)
            yield PackedTensor.of_rows(weight.path, array, layout)
        else:
            yield PackedTensor.dense(weight.path, array)


def _gated(model: keras.Model) -> Iterator[tuple[tuple[str, str], Any]]:
    """(layer's name, weight's name) -> the layer's own gate, if that has rows."""
    for layer in model.layers:
        gate = layer.gate if isinstance(layer, MaskedLayer) else None
        if gate is not None and gate.rows is not None:
            yield (layer.name, next(iter(layer.unit_axes))), gate


def _by_unit(shape: tuple[int, ...], axes: int | tuple[int, ...]) -> RowLayout:
    units = [a % len(shape) for a in ([axes] if isinstance(axes, int) else axes)]
    others = [axis for axis in range(len(shape)) if axis not in units]
    length = math.prod(shape[axis] for axis in others)
    return RowLayout((*units, *others), length, 1)


def _rows_of(gate: Any, shape: tuple[int, ...]) -> tuple[RowLayout, np.ndarray] | None:
    """The kernel's rows as the gate has them, and what it keeps of each.

    None where its mask has another rank than the kernel, or its rows are no
    reordering of the kernel's axes.
    """
    if len(gate.mask_shape) != len(shape):
        return None
    number = np.arange(gate.units, dtype="int32").reshape(gate.mask_shape)
    rows = ops.convert_to_numpy(gate.rows.split(ops.convert_to_tensor(number)))
    # The axes along which the places of the first row differ, the fastest last.
    places = np.unravel_index(rows[0], gate.mask_shape)
    differs = {axis: place != place[0] for axis, place in enumerate(places)}
    among = [axis for axis, differ in differs.items() if differ.any()]
    among.sort(key=lambda axis: -int(np.argmax(differs[axis])))
    rest = [axis for axis in range(len(shape)) if axis not in among]
    wide = [axis for axis in rest if gate.mask_shape[axis] != shape[axis]]
    outer = [axis for axis in rest if axis not in wide]
    width = math.prod(shape[axis] for axis in wide)
    layout = RowLayout((*outer, *among, *wide), rows.shape[1], width)
    own = number.transpose(layout.axes).reshape(rows.shape)
    if not np.array_equal(np.sort(own, axis=None), np.arange(gate.units)):
        return None
    if not np.array_equal(own[np.argsort(own[:, 0])], rows[np.argsort(rows[:, 0])]):
        return None
    keep = gate.keep.transpose(layout.axes).reshape(rows.shape)
    return layout, keep
