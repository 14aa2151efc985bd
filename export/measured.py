"""One conversion of the dense model, which the costs of a budget agree with."""

from typing import Any

import keras
import numpy as np

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

    A file holds equal tensors once. Biases that are all zero, as before training,
    would make it smaller than it is going to be: what is converted is a copy with
    noise on them.

    Args:
        model: the dense model, of stock Keras layers, before it is masked. It may
            be trained or not.
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
    as_trained = _with_noise(model)
    artifact = to_tflite(as_trained, "int8", calibration=calibration, target=target)
    content = artifact.content
    return Measured(len(content), tflm_arena_bytes(content) if arena else None)


def _with_noise(model: keras.Model) -> keras.Model:
    """A copy of the model whose weights are as different as training leaves them."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.trainable = True
    noise = np.random.default_rng(0)
    # Statistics of a BatchNormalization are not trainable and stay: from them
    # `to_tflite` tells whether the calibration data are what was trained on.
    for variable in copy.trainable_variables:
        values = keras.ops.convert_to_numpy(variable)
        if len(np.unique(values)) < values.size:
            variable.assign(values + noise.normal(0.0, 1e-2, values.shape))
    return copy
