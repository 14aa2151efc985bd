"""The child process: `python -m keras_diffmask.export.interop.worker <job>`.

Importing tensorflow_model_optimization sets TF_USE_LEGACY_KERAS and turns
`tf.keras` into Keras 2 for the whole process, so it happens here alone.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.child import answer
from keras_diffmask.export.interop.job import (
    ARRAYS,
    EXAMPLES,
    INPUT,
    ORDER,
    OUTPUT,
    WEIGHT,
)
from keras_diffmask.export.model_io import shorten

# For a size that the model leaves open.
_OPEN_SIZE = 32


def main(job: Path) -> int:
    """Does the job in the directory `job`; returns the exit status."""
    return answer(job, read_job, _translate)


def read_job(job: Path) -> dict[str, Any]:
    """Loads the model, asks it for reference outputs, and takes the wrappers off.

    Args:
        job: the directory; `job.py` says what comes to lie in it.

    Returns:
        The report: the architecture without wrappers.
    """
    import tensorflow_model_optimization as tfmot
    import tf_keras

    pruning = tfmot.sparsity.keras
    order = json.loads((job / ORDER).read_text(encoding="utf-8"))
    with pruning.prune_scope():
        model = tf_keras.models.load_model(order["path"], compile=False)
    inputs = _samples(model, order["vocabulary"])
    # Before the wrappers come off: their call multiplies the masks into the
    # weights, which the last step of an optimizer may have moved off 0.
    outputs = _outputs(model, inputs)
    stripped = pruning.strip_pruning(model)
    arrays = {f"{WEIGHT}{place}": value for place, value in _weights(stripped, "")}
    arrays |= {f"{INPUT}{k}": value for k, value in enumerate(inputs)}
    arrays |= {f"{OUTPUT}{k}": value for k, value in enumerate(outputs)}
    np.savez(job / ARRAYS, **arrays)  # type: ignore[arg-type]
    return {"model": json.loads(stripped.to_json())}


def _samples(model: Any, vocabulary: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    samples = []
    for tensor in model.inputs:
        batch, *sizes = tensor.shape
        shape = [batch or EXAMPLES, *(size or _OPEN_SIZE for size in sizes)]
        # Tokens come as floats too, where an Input does not name a type.
        is_token = tensor.dtype.is_integer or (vocabulary and len(sizes) < 2)
        drawn: np.ndarray = generator.standard_normal(shape)
        if is_token:
            drawn = generator.integers(0, max(vocabulary, 2), shape)
        samples.append(drawn.astype(tensor.dtype.as_numpy_dtype))
    return samples


def _outputs(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    import tensorflow as tf

    given = inputs if len(inputs) > 1 else inputs[0]
    return [x.numpy() for x in tf.nest.flatten(model(given, training=False))]


def _weights(model: Any, place: str) -> Iterator[tuple[str, np.ndarray]]:
    """Each weight with its place: names of models and layers, and a number."""
    for layer in model.layers:
        at = f"{place}{layer.name}/"
        if hasattr(layer, "layers"):
            yield from _weights(layer, at)
            continue
        for number, value in enumerate(layer.get_weights()):
            yield f"{at}{number}", value


def _translate(error: Exception) -> ArtifactError:
    lines = str(error).strip().splitlines() or ["no message"]
    return ArtifactError(
        "a model that tf_keras can read and run",
        shorten(f"{type(error).__name__}: {lines[0]}"),
        "Load it with tf_keras.models.load_model, strip it with "
        "tfmot.sparsity.keras.strip_pruning, and save it again.",
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
