"""TensorFlow's converter alone: `python -m ...evidence.resnet50.worker <job>`.

It is asked for what `to_tflite` asks it for, as its own guide shows it, and
nothing of what comes out is checked.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.child import answer
from keras_diffmask.export.evidence.report import Clock

#: What lies in the job's directory.
MODEL, EXAMPLES, ORDER = "model.keras", "examples.npy", "order.json"


def main(job: Path) -> int:
    """Does the job in the directory `job`; returns the exit status."""
    return answer(job, _convert, _translate)


def _convert(job: Path) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    model = keras.saving.load_model(job / MODEL, compile=False)
    kind = json.loads((job / ORDER).read_text("utf-8"))["kind"]
    images = np.load(job / EXAMPLES)

    def examples() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [image[None]]

    clock = Clock()
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    content = converter.convert()
    return {"seconds": clock.seconds(), "bytes": len(content)}


def _translate(error: Exception) -> ConversionError:
    return ConversionError(
        "TensorFlow's converter to convert ResNet50",
        f"{type(error).__name__}: {error}",
        "Look at the log of the evidence's folder.",
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
