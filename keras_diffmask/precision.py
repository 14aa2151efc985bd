"""The finest floats that the backend computes with."""

import warnings
from typing import Any

import numpy as np
from keras import ops


def finest(values: Any) -> Any:
    """A tensor of constants in float64, or float32 where JAX has no other.

    JAX without `jax_enable_x64` takes float64 down to float32, which is fine
    here, and warns each time, which helps nobody.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Explicitly requested dtype", UserWarning)
        return ops.convert_to_tensor(np.asarray(values), dtype="float64")
