"""How far the cell states of LSTMs go. Child process only."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_diffmask.export.emit.fused_lstm import measuring
from keras_diffmask.export.emit.recurrent import FusedCall


def with_cell_ranges(
    fused: Sequence[FusedCall], model: Any, samples: list[np.ndarray]
) -> tuple[FusedCall, ...]:
    """Runs a swapped model on the calibration set, and looks at every step.

    Args:
        fused: the LSTM calls in the model.
        model: the swapped model.
        samples: one array per input.

    Returns:
        The calls with `largest_cell`: that of all calls of the same sizes.
    """
    if not fused:
        return ()
    sizes: list[tuple[int, int, int]] = []

    @tf.function(autograph=False)
    def largest_cells(*rows: Any) -> list[Any]:
        with measuring() as found:
            model(rows[0] if len(rows) == 1 else list(rows), training=False)
        sizes[:] = [call for call, _ in found]
        return [largest for _, largest in found]

    largest: dict[tuple[int, int, int], float] = {}
    for k in range(len(samples[0])):
        rows = [tf.constant(sample[k : k + 1]) for sample in samples]
        values = largest_cells(*rows)
        for call, value in zip(sizes, values, strict=True):
            largest[call] = max(float(value), largest.get(call, 0.0))
    return tuple(
        replace(call, largest_cell=largest[call.steps, call.inputs, call.units])
        for call in fused
    )
