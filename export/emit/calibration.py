"""Turns what the user calls calibration data into one checked array per input."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_diffmask.errors import InvalidArgumentError

# An int8 CNN's error fell from 25 % of its output with 1 example to 2.8 % with
# 16 and 2.6 % with 64; past 256 nothing changed.
_FEW = 32
# Keras-style generators never end: stop reading an iterable here.
_ENOUGH = 1024

_PREPROCESS = "Pass inputs preprocessed exactly as for training, calibration=x[:256]."


def prepare_calibration(inputs: Sequence[Any], calibration: Any) -> list[np.ndarray]:
    """Checks calibration data against the model's inputs.

    Args:
        inputs: name, shape and dtype of each input. A size of None, as the
            steps of a streaming model, fits any one size.
        calibration: an array of examples; a dict by input name or a list with
            one array per input; or an iterable of batches (generator, tf.data,
            PyDataset), of which a tuple's first item is taken, as `fit` does.
            Of an iterable at most 1024 examples are read.

    Returns:
        One array of shape (n, ...) per input.

    Raises:
        InvalidArgumentError: no examples, wrong shape or dtype, NaN or infinity,
            or labels among them.

    Warns:
        UserWarning: there are fewer than 32 examples.
    """
    values = _split(inputs, calibration)
    if values is None:
        values = _gather(inputs, calibration)
    arrays = [_check(t, v) for t, v in zip(inputs, values, strict=True)]
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise InvalidArgumentError(
            "the same number of calibration examples for every input",
            f"{[len(array) for array in arrays]}",
            "Cut the arrays to one length.",
        )
    if lengths == {0}:
        _refuse_empty()
    if min(lengths) < _FEW:
        warnings.warn(
            f"Only {min(lengths)} calibration examples: int8 ranges may be too "
            f"narrow; pass {_FEW} or more (256 is plenty).",
            stacklevel=4,  # the line that calls to_tflite
        )
    return arrays


def _refuse_empty() -> None:
    raise InvalidArgumentError(
        "at least one calibration example", "calibration with none", _PREPROCESS
    )


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _split(inputs: Sequence[Any], value: Any) -> list[Any] | None:
    """Returns one array per input, or None when `value` is an iterable of batches."""
    if _is_array(value) and len(inputs) == 1:
        return [value]
    if isinstance(value, Mapping):
        names = [tensor.name for tensor in inputs]
        if set(value) != set(names):
            raise InvalidArgumentError(
                f"calibration with the keys {names}", f"{list(value)}", "Rename them."
            )
        return [value[name] for name in names]
    if len(inputs) > 1 and isinstance(value, (list, tuple)):
        if len(value) == len(inputs) and all(_is_array(item) for item in value):
            return list(value)
    if isinstance(value, tuple):
        raise InvalidArgumentError(
            f"calibration inputs for {len(inputs)} model input(s), without labels",
            f"a tuple of {len(value)}",
            "Pass calibration=x, not (x, y).",
        )
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        if not isinstance(value, keras.utils.PyDataset):
            raise InvalidArgumentError(
                "calibration as an array or an iterable of batches",
                f"a {type(value).__name__}",
                _PREPROCESS,
            )
    return None


def _gather(inputs: Sequence[Any], batches: Any) -> list[Any]:
    if isinstance(batches, keras.utils.PyDataset):
        # It has an end (`__len__`), but indexing past it need not fail.
        batches = map(batches.__getitem__, range(len(batches)))
    columns: list[list[np.ndarray]] = [[] for _ in inputs]
    count = 0
    for batch in batches:
        x = batch
        if isinstance(batch, tuple) and not (
            len(inputs) > 1 and len(batch) == len(inputs)
        ):
            x = batch[0] if batch else ()
        parts = _split(inputs, x)
        if parts is None:
            raise InvalidArgumentError(
                "every calibration batch to be an array",
                f"a {type(x).__name__}",
                "Yield arrays of shape (n, ...), or (x, y) tuples of them.",
            )
        checked = [_check(t, p) for t, p in zip(inputs, parts, strict=True)]
        for column, part in zip(columns, checked, strict=True):
            column.append(part)
        count += len(checked[0])
        if count >= _ENOUGH:
            break
    if not count:
        _refuse_empty()
    return [np.concatenate(column)[:_ENOUGH] for column in columns]


def _check(tensor: Any, value: Any) -> np.ndarray:
    array = _to_numpy(value)
    sizes = tuple(tensor.shape)[1:]
    named = ["steps" if size is None else str(size) for size in sizes]
    wanted = "(" + ", ".join(["n", *named]) + ")"
    if array.ndim == 1 and sizes and array.dtype.kind in "iu":
        raise InvalidArgumentError(
            f"calibration of shape {wanted} for input '{tensor.name}'",
            f"shape {array.shape} of {array.dtype}, which look like class labels",
            "Pass the inputs, calibration=x[:256], not the labels y.",
        )
    if array.ndim != len(sizes) + 1 or any(
        size not in (None, got)
        for size, got in zip(sizes, array.shape[1:], strict=True)
    ):
        raise InvalidArgumentError(
            f"calibration of shape {wanted} for input '{tensor.name}'",
            f"shape {array.shape}",
            _PREPROCESS,
        )
    wants_float = "float" in keras.backend.standardize_dtype(tensor.dtype)
    if wants_float != (array.dtype.kind == "f"):
        raise InvalidArgumentError(
            f"calibration of dtype {tensor.dtype} for input '{tensor.name}'",
            f"dtype {array.dtype}",
            "Pass inputs, not labels, preprocessed exactly as for training (raw "
            "bytes: x.astype('float32') / 255, if that is what the model saw).",
        )
    if wants_float and not np.isfinite(array).all():
        raise InvalidArgumentError(
            "finite calibration data",
            f"NaN or infinity for input '{tensor.name}'",
            "Drop these examples or repair the preprocessing.",
        )
    return array.astype("float32" if wants_float else "int32")


def _to_numpy(value: Any) -> np.ndarray:
    try:
        array = keras.ops.convert_to_numpy(value)
    except Exception:  # ragged lists, foreign objects: each backend has its own error
        array = np.asarray(value, dtype=object)
    # bfloat16 is a foreign type to NumPy (kind "V"): make it an ordinary float.
    return array.astype("float32") if "bfloat16" in str(array.dtype) else array
