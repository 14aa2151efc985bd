"""What all gates of a model have in common."""

from dataclasses import dataclass
from typing import Any

from keras_diffmask.quantizers import Quantization


@dataclass(frozen=True)
class GateSettings:
    """What all gates of a model have in common.

    Attributes:
        regularizer: penalty on the gates, or None.
        logit_scale: learning-rate multiplier of the logits.
        multiple: what numbers of open units are multiples of.
        integers: what rounds the model, whose layers are then told which channels
            around them are closed; or None.
    """

    regularizer: Any
    logit_scale: float
    multiple: int
    integers: Quantization | None = None

    @property
    def format(self) -> dict[str, Any]:
        """Of the file, as costs on the device take it; {} for the default one."""
        if self.integers is None:
            return {}
        names = ("weight_bits", "per_channel_dense")
        return {name: getattr(self.integers, name) for name in names}
