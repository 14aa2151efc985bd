"""Models with quantizers: what they learned, as the converter can read it."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from keras_diffmask.export.emit.lone_norms import norms_as_kernels
from keras_diffmask.gate import Gate
from keras_diffmask.keras_internals import flatten_layers
from keras_diffmask.layers import FakeQuantize
from keras_diffmask.masking.bake import bake
from keras_diffmask.masking.stock import Quantizers
from keras_diffmask.quantizers import quantizers_of
from keras_diffmask.quantizers.rounding import nudged

# Examples that stand for calibration data when a file is compared.
_EXAMPLES = 32


@dataclass(frozen=True, eq=False)
class Learned:
    """A model whose integers were learned in training.

    Args:
        model: stock layers with weights on the grid, and `FakeQuantize` layers.
        per_channel_dense: whether its Dense kernels have a scale per unit.
        four_bits: whether any weights have 4 bits.
    """

    model: Any
    per_channel_dense: bool
    four_bits: bool


def has_quantizers(model: Any) -> bool:
    """Whether there is a quantizer in what may be a model."""
    return isinstance(model, keras.Model) and bool(quantizers_of(model))


def learned_from(model: keras.Model, quantization: str | None) -> Learned:
    """What a model with quantizers has learned, ready for the converter.

    Args:
        model: from `export.strip(keep_quantizers=True)` or `quantize_model`.
        quantization: what the user asked for.

    Raises:
        InvalidArgumentError: that is something else than what was learned.
        UnsupportedModelError: the model has gates, or has never been trained.
    """
    if quantization not in (None, "int8"):
        raise InvalidArgumentError(
            f"quantization to be 'int8' or None for model {model.name!r}, which has "
            "learned the integers of the device",
            f"quantization={quantization!r}",
            "Call export.strip(model), which leaves the quantizers behind, and convert "
            "its result.",
        )
    layers = sorted(flatten_layers(model), key=lambda x: not isinstance(x, Gate))
    for layer in layers:
        if isinstance(layer, Gate):
            raise UnsupportedModelError(
                "a model without masks",
                f"model {model.name!r}, which has the gate {layer.name!r}",
                "Call export.strip(model, keep_quantizers=True) first and convert its "
                "result.",
            )
        if isinstance(layer, FakeQuantize) and not _value(layer.seen):
            raise UnsupportedModelError(
                "ranges of activations that training has seen",
                f"none at {layer.name!r}",
                "Call fit before to_tflite, for one epoch at least.",
            )
    kernels = [x for x in layers if getattr(x, "quantizer", None)]
    dense = [x for x in kernels if isinstance(x, keras.layers.Dense)]
    return Learned(
        norms_as_kernels(bake(model, Quantizers.WRITTEN)),
        all(layer.quantizer.per_channel for layer in dense),
        any(layer.quantizer.bits == 4 for layer in kernels),
    )


def examples_of(model: keras.Model) -> list[np.ndarray] | None:
    """Random inputs within the learned ranges; None where one has none."""
    generator = np.random.default_rng(0)
    first = {id(layer.input): layer for layer in model.layers if _is_range(layer)}
    samples = []
    for tensor in model.inputs:
        layer = first.get(id(tensor))
        if layer is None or None in tensor.shape[1:]:
            return None
        low, high = (_value(limit) for limit in layer.limits())
        shape = (_EXAMPLES, *tensor.shape[1:])
        samples.append(generator.uniform(low, high, shape).astype("float32"))
    return samples


def _is_range(layer: Any) -> bool:
    return isinstance(layer, FakeQuantize) and isinstance(
        layer.input, keras.KerasTensor
    )


def nudged_limits(layer: FakeQuantize) -> tuple[float, float]:
    """The smallest and the largest real number of a learned range."""
    low, high, _ = nudged(*layer.limits(), layer.bits)
    return _value(low), _value(high)


def _value(scalar: Any) -> float:
    return float(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(scalar)))
