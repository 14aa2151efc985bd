"""One conversion of the dense model, which the costs of a budget agree with."""

from typing import Any

import keras

from keras_diffmask import targets
from keras_diffmask.costs import Measured
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.export.emit import to_tflite


def measure_dense(
    model: keras.Model,
    calibration: Any,
    target: str | targets.Target = "cortex-m",
    arena: bool = True,
) -> Measured:
    """Convert a model to int8 and say what file and arena come to.

    Args:
        model: the dense model, of stock Keras layers, before it is masked.
        calibration: examples of its inputs, as for `to_tflite`. Their values
            hardly matter here.
        target: as for `to_tflite`.
        arena: whether to ask TFLM's interpreter too (`pip install --pre
            tflite-micro`, for Linux on x86-64).

    Returns:
        A `costs.Measured`, for `Budget(measured=)`.

    Raises:
        ConversionError: the model cannot be converted.
        MissingDependencyError: TensorFlow or tflite-micro is not installed.

    Example:

    ```python
    dense = export.measure_dense(model, x[:64])
    budget = kd.Budget(flash="256 KiB", ram="64 KiB", measured=dense)
    ```
    """
    content = to_tflite(model, "int8", calibration=calibration, target=target).content
    return Measured(len(content), tflm_arena_bytes(content) if arena else None)
