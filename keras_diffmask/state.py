"""Numbers that a layer remembers and no optimizer touches."""

from typing import Any

import keras
import numpy as np
from keras import ops


def add_state(
    layer: keras.layers.Layer,
    name: str,
    shape: tuple[int, ...],
    value: float,
    dtype: str = "float32",
) -> Any:
    """Add a weight that is not trained, filled with `value`."""
    return layer.add_weight(
        name=name,
        shape=shape,
        # `initializers.Constant` multiplies, which no backend does with bools.
        initializer=lambda shape, dtype: ops.full(shape, value, dtype=dtype),
        trainable=False,
        dtype=dtype,
    )


def step_of(count: Any) -> Any:
    """The step under way or the last one, from 0 on, of a count of those begun."""
    return ops.maximum(ops.convert_to_tensor(count) - 1.0, 0.0)


class Noise(keras.random.SeedGenerator):
    """A seed whose draws can be repeated, however many there were."""

    _drawn = 0

    def next(self, ordered: bool = True) -> Any:
        self._drawn += 1
        return super().next(ordered)

    def start(self, again: bool) -> None:
        """Begin to draw: what comes next, or the same as since the last start.

        Back by counting, rather than to a state that was kept: a tensor made in a
        loop or a `vmap` must not get out of it.
        """
        if again:
            back = ops.convert_to_tensor(np.array([0, self._drawn]), self.state.dtype)
            self.state.assign(ops.subtract(self.state, back))
        self._drawn = 0
