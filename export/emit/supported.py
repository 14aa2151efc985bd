"""Looks a model's layers up in the table of what not every device runs."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_diffmask import keras_internals
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.emit.recurrent import Recurrence, cells
from keras_diffmask.export.emit.support import ROWS, Row
from keras_diffmask.export.modes import Mode
from keras_diffmask.targets import Target


def check_support(
    model: Any, mode: Mode, target: Target, recurrent: Sequence[Recurrence] = ()
) -> None:
    """Raises when a layer leads to what a device or a quantization lacks.

    Args:
        model: a Functional or Sequential model.
        mode: how it is to be quantized.
        target: the device.
        recurrent: its recurrent layers, with the form each will get.

    Raises:
        UnsupportedModelError: names the layers at fault and a replacement.
    """
    found: dict[str, list[str]] = {}
    for operation, kind in kinds(model, recurrent):
        if _lack(ROWS[kind], mode, target):
            found.setdefault(kind, []).append(f"'{operation.name}'")
    for kind, names in found.items():
        distinct = list(dict.fromkeys(names))
        more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
        what = kind.partition(":")[2] or kind
        raise UnsupportedModelError(
            f"layers that target '{target.name}' runs as {mode.name}",
            f"{', '.join(distinct[:3])}{more} ({what}), "
            f"{_lack(ROWS[kind], mode, target)}",
            ROWS[kind].instead,
        )


def _lack(row: Row, mode: Mode, target: Target) -> str:
    """What is missing for a kind, as the end of a sentence; "" for nothing."""
    for op in row.ops:
        if op.startswith("tf."):
            return f"for which TFLite has no operator ({op})"
        if op in mode.unwritable:
            return f"which leads to {op}, {mode.because}"
    missing = target.missing_ops(row.ops, mode.activations)
    if missing:
        absent = target.missing_ops(missing)
        kernel = "no kernel" if absent else f"no {mode.activations} kernel"
        return f"which leads to {missing[0]}, for which it has {kernel}"
    if row.on_tflm and target.runtime == "tflm":
        return f"but it {row.on_tflm}"
    return ""


def kinds(model: Any, recurrent: Sequence[Recurrence]) -> Iterator[tuple[Any, str]]:
    """Yields each operation with each of the table's kinds that it is."""
    for recurrence in recurrent:
        if not all(recurrence.reasons):
            yield recurrence.layer, "fused LSTM"
    for call in _calls(model):
        for operation in _with_inner(call.operation):
            for kind in _names(operation, call):
                if kind in ROWS:
                    yield operation, kind


def _calls(model: Any) -> Iterator[Any]:
    for call in keras_internals.calls(keras_internals.as_functional(model)):
        inner = call.operation
        while isinstance(inner, keras.layers.Wrapper):
            inner = inner.layer
        if hasattr(inner, "layers"):
            yield from _calls(inner)
        else:
            yield call


def _with_inner(operation: Any) -> Iterator[Any]:
    yield operation
    if isinstance(operation, keras.layers.Wrapper):
        yield from _with_inner(operation.layer)
    elif isinstance(operation, keras.layers.Bidirectional):
        yield from _with_inner(operation.forward_layer)
        yield from _with_inner(operation.backward_layer)
    elif isinstance(operation, keras.layers.RNN):
        yield from cells(operation)


def _names(operation: Any, call: Any) -> Iterator[str]:
    name = type(operation).__name__
    if name == "Cast" and not _changes_kind(call):
        return
    yield name
    axes = len(call.inputs[0].shape) if call.inputs else 0
    if name in ("Permute", "Transpose") and axes > 5:
        yield f"{name}:6 axes"
    if name == "GetItem" and axes > 4:
        yield "GetItem:5 axes"
    for argument in ("interpolation", "output_mode"):
        if isinstance(getattr(operation, argument, None), str):
            yield f"{name}:{getattr(operation, argument)}"
    if getattr(operation, "max_value", None) not in (None, 6):
        yield f"{name}:max_value"
    if getattr(operation, "negative_slope", None):
        yield f"{name}:negative_slope"
    for argument in ("activation", "recurrent_activation"):
        function = getattr(operation, argument, None)
        yield f"activation:{getattr(function, '__name__', '')}"
    if not isinstance(operation, keras.layers.Layer):
        # keras.ops.gelu is what activation="gelu" is; the names are in camel case.
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        yield f"activation:{snake.lstrip('_')}"


def _changes_kind(call: Any) -> bool:
    """Whether a cast leads from float numbers to others, or back."""
    floats = {"float" in str(tensor.dtype) for tensor in (*call.inputs, *call.outputs)}
    return len(floats) > 1
