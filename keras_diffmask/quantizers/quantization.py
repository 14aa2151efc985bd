"""How a whole model is quantized while it trains."""

from dataclasses import dataclass
from typing import Any

import keras

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.quantizers.weight_quantizer import BITS, WeightQuantizer

#: How ranges of activations come about.
RANGES = ("moving", "learned")


@keras.saving.register_keras_serializable("keras_diffmask")
@dataclass(frozen=True)
class Quantization:
    """What `quantize_model` and `mask_model(quantization=)` simulate.

    Args:
        weight_bits: 8 or 4, the width of weights.
        activation_bits: 8, the width of activations.
        ranges: `"moving"`: a moving average of what the batches reach;
            `"learned"`: that, times factors that the loss trains.
        momentum: float in (0, 1), of the moving average.
        delay: int >= 0, training steps in floats before anything is rounded;
            ranges are observed from the first.
        per_channel_dense: whether Dense kernels have a scale per unit, or one
            in all, as for the target `"cortex-m"`, whose kernels then agree
            bit for bit.

    Raises:
        InvalidArgumentError: an argument is outside of what is listed.

    Example:

    ```python
    kd.mask_model(model, budget=kd.Budget(macs=0.3),
                  quantization=kd.quantizers.Quantization(weight_bits=4, delay=2000))
    ```
    """

    weight_bits: int = 8
    activation_bits: int = 8
    ranges: str = "moving"
    momentum: float = 0.99
    delay: int = 0
    per_channel_dense: bool = True

    def __post_init__(self) -> None:
        for is_right, expected, name in (
            (self.weight_bits in BITS, "weight_bits to be 8 or 4", "weight_bits"),
            (self.activation_bits == 8, "activation_bits to be 8", "activation_bits"),
            (self.ranges in RANGES, "ranges to be 'moving' or 'learned'", "ranges"),
            (0.0 < self.momentum < 1.0, "momentum between 0 and 1", "momentum"),
            (
                isinstance(self.delay, int) and self.delay >= 0,
                "delay to be an int of at least 0",
                "delay",
            ),
        ):
            if not is_right:
                raise InvalidArgumentError(
                    f"{expected} in a Quantization",
                    f"{name}={getattr(self, name)!r}",
                    "Pass one of these.",
                )

    def of_weights(self, layer: Any) -> WeightQuantizer:
        """A new quantizer for the weights of a layer."""
        is_dense = isinstance(layer, keras.layers.Dense)
        per_channel = self.per_channel_dense or not is_dense
        name = f"{layer.name}_quantizer"
        return WeightQuantizer(self.weight_bits, per_channel, self.delay, name=name)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for Keras' serialization."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
