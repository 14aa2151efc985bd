"""How far a network's outputs move by rounding alone. Child process only."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

#: How often everything is nudged; the largest move counts.
_DRAWS = 2


def moves_by_rounding(
    model: keras.Model,
    answers: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]],
    samples: Sequence[np.ndarray],
    reference: Sequence[np.ndarray],
) -> tuple[float, ...]:
    """Nudges every weight and every input by one rounding, up or down at random.

    Kernels that sum in another order do as much, in every layer. A network that
    fifty normalizations have made sensitive answers with more than the last bits.

    Args:
        model: the model; its weights are the same afterwards.
        answers: from inputs to the model's outputs.
        samples: one array per input.
        reference: what it answers to these.

    Returns:
        The largest difference of each output.
    """
    generator = np.random.default_rng(0)
    weights = model.get_weights()
    largest = [0.0] * len(reference)
    try:
        for _ in range(_DRAWS):
            model.set_weights([_nudged(weight, generator) for weight in weights])
            found = answers([_nudged(sample, generator) for sample in samples])
            for i, (moved, still) in enumerate(zip(found, reference, strict=True)):
                difference = np.abs(moved.astype("float64") - still.astype("float64"))
                largest[i] = max(largest[i], float(difference.max(initial=0.0)))
    finally:
        model.set_weights(weights)
    return tuple(largest)


def _nudged(array: Any, generator: np.random.Generator) -> np.ndarray:
    array = np.asarray(array)
    # Numbers of steps, seeds, tokens: nobody rounds these.
    if array.dtype != np.float32:
        return array
    signs = generator.choice((-1.0, 1.0), array.shape)
    return (array * (1.0 + np.finfo(np.float32).eps * signs)).astype(np.float32)
