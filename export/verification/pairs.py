"""Compares what two sides answered."""

from collections.abc import Sequence

import numpy as np

from keras_diffmask.export.tensor_spec import TensorSpec
from keras_diffmask.export.verification.records import Pair

Outputs = Sequence[np.ndarray]


def compare(
    first: str, one: Outputs, second: str, other: Outputs, specs: Sequence[TensorSpec]
) -> Pair:
    """Compares two sides, over all outputs together.

    Args:
        first: name of one side.
        one: its real values, one array of examples per output.
        second: name of the other side.
        other: its values.
        specs: the file's outputs.
    """
    errors = [
        np.ravel(a.astype("float64") - b) for a, b in zip(one, other, strict=True)
    ]
    error = np.concatenate(errors)
    steps = [
        np.ravel(np.abs(_grid(spec, a) - _grid(spec, b)))
        for spec, a, b in zip(specs, one, other, strict=True)
        if spec.scale is not None
    ]
    lsb = np.concatenate(steps) if steps else None
    same, tied = _choices(one, other, specs)
    return Pair(
        first=first,
        second=second,
        max_error=float(np.abs(error).max()),
        rms_error=float(np.sqrt(np.mean(error**2))),
        argmax=same,
        argmax_or_tie=tied,
        max_lsb=None if lsb is None else int(lsb.max()),
        exact=None if lsb is None else float(np.mean(lsb == 0)),
        within_1=None if lsb is None else float(np.mean(lsb <= 1)),
        within_2=None if lsb is None else float(np.mean(lsb <= 2)),
    )


def _grid(spec: TensorSpec, values: np.ndarray) -> np.ndarray:
    return spec.quantize(values).astype("int64")


def _choices(
    one: Outputs, other: Outputs, specs: Sequence[TensorSpec]
) -> tuple[float | None, float | None]:
    """Shares of examples with the same argmax, strictly and but for ties."""
    same, tied = [], []
    for a, b, spec in zip(one, other, specs, strict=True):
        classes = a.shape[-1] if a.ndim > 1 else 1
        if classes < 2:
            continue
        a, b = a.reshape(-1, classes), b.reshape(-1, classes)
        rows, of_a, of_b = np.arange(len(a)), a.argmax(-1), b.argmax(-1)
        # A little more than a step: de-quantized values are not exact.
        step = 1.001 * (spec.scale or 0.0)
        close = a.max(-1) - a[rows, of_b] <= step
        close |= b.max(-1) - b[rows, of_a] <= step
        same.append(of_a == of_b)
        tied.append(close)
    if not same:
        return None, None
    return float(np.mean(np.concatenate(same))), float(np.mean(np.concatenate(tied)))
