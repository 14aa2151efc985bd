"""What TensorFlow's converter is asked for in each mode. Child process only."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_diffmask.export.modes import Mode
from keras_diffmask.targets import Target

_INT16X8 = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"


def ask(
    converter: Any,
    mode: Mode,
    io: str,
    target: Target,
    examples: Callable[[], Iterator[Any]] | None,
) -> None:
    """Sets a converter up.

    Args:
        converter: a `tf.lite.TFLiteConverter`, as it was made.
        mode: what it is to write; of "int4", the float file that comes first.
        io: the type of inputs and outputs.
        target: decides how Dense kernels are quantized.
        examples: gives the calibration set, example by example; None where every
            tensor has a learned range.
    """
    if mode.name in ("float32", "int4"):
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode.name == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if not mode.integers:
        return
    if examples is not None:
        converter.representative_dataset = examples
        # Without this a layer with no integer kernel would silently stay float. With
        # it the converter insists on a calibration set.
        integers = _INT16X8 if mode.activations == "int16" else "TFLITE_BUILTINS_INT8"
        converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, integers)]
    dtype = getattr(tf, io)
    converter.inference_input_type = converter.inference_output_type = dtype
    converter._experimental_disable_per_channel_quantization_for_dense_layers = (
        not target.per_channel_dense
    )


def examples_of(
    samples: list[np.ndarray], names: list[str], steps: int, streaming: bool
) -> Callable[[], Iterator[Any]]:
    """Returns what gives the calibration set, example by example.

    Args:
        samples: one array per input.
        names: the signature's names of the inputs.
        steps: calls per example.
        streaming: whether a call takes one step of a sequence.
    """

    def examples() -> Iterator[Any]:
        for k in range(len(samples[0])):
            for t in range(steps):
                rows = [sample[k : k + 1] for sample in samples]
                if streaming:
                    rows = [row[:, t : t + 1] for row in rows]
                yield rows if len(rows) == 1 else dict(zip(names, rows, strict=True))

    return examples
