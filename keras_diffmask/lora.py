"""LoRA: the low-rank updates that Keras keeps beside a kernel, merged into it."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_diffmask import keras_internals
from keras_diffmask.errors import UnsupportedModelError

_KEYS = ("lora_rank", "lora_alpha")


def has_lora(layer: Any) -> bool:
    """Whether a layer, or one inside of it, has updates that can be merged."""
    return bool(_updated(layer))


def without_lora(config: dict[str, Any]) -> dict[str, Any]:
    """A layer's configuration from which Keras builds it without LoRA weights."""
    return {name: _inside(value) for name, value in config.items() if name not in _KEYS}


def _inside(value: Any) -> Any:
    """The same of the Keras layers in a configuration, such as a wrapper's."""
    is_object = isinstance(value, dict) and isinstance(value.get("config"), dict)
    if is_object and str(value.get("module")).startswith("keras."):
        return {**value, "config": without_lora(value["config"])}
    return value


def merged(layer: Any, weights: Iterable[Any]) -> list[np.ndarray]:
    """Weights of a layer as they are without LoRA: W + (alpha / rank) A B.

    So Keras itself writes them into files, and so they are the same function.

    Args:
        layer: any layer or operation.
        weights: those of its weights that are wanted, of which A and B are left out.
    """
    updated = {id(weight): (one, name) for one, weight, name in _updated(layer)}
    factors = {id(one) for pair in updated.values() for one in _factors(*pair)}
    return [
        ops.convert_to_numpy(
            _merged(weight, *updated[id(weight)]) if id(weight) in updated else weight
        )
        for weight in weights
        if id(weight) not in factors
    ]


def _merged(weight: Any, layer: Any, name: str) -> Any:
    first, second = _factors(layer, name)
    scale = layer.lora_alpha / layer.lora_rank
    return ops.cast(ops.add(weight, scale * ops.matmul(first, second)), weight.dtype)


def _factors(layer: Any, name: str) -> tuple[Any, Any]:
    return getattr(layer, f"lora_{name}_a"), getattr(layer, f"lora_{name}_b")


def _updated(layer: Any) -> list[tuple[Any, Any, str]]:
    """Layers with LoRA, the variable that each one's is added to, and its name.

    Quantized layers are left out: their integers would have to be rounded anew.

    Raises:
        UnsupportedModelError: a quantized one has a scale that no copy of it keeps.
    """
    found = []
    for one in _layers(layer):
        if not getattr(one, "lora_enabled", False):
            continue
        name = "kernel" if hasattr(one, "lora_kernel_a") else "embeddings"
        if getattr(one, "quantization_mode", None) is None:
            found.append((one, keras_internals.stored_weight(one, name), name))
        elif one.lora_alpha != one.lora_rank:
            # Keras' Dense forgets lora_alpha when it is built from its configuration.
            raise UnsupportedModelError(
                "LoRA weights of quantized layers with lora_alpha equal to the rank",
                f"lora_alpha={one.lora_alpha} of {one.name!r}, of rank "
                f"{one.lora_rank} and quantized to {one.quantization_mode}",
                "Quantize after the model was stripped, which merges LoRA weights.",
            )
    return found


def _layers(layer: Any) -> list[Any]:
    if not isinstance(layer, keras.layers.Layer):
        return []
    return [layer, *keras_internals.flatten_layers(layer)]
