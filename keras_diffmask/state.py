"""Numbers that a layer remembers and no optimizer touches."""

from typing import Any

import keras
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
