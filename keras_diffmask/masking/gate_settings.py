"""What all gates of a model have in common."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GateSettings:
    """What all gates of a model have in common.

    Attributes:
        regularizer: penalty on the gates, or None.
        logit_scale: learning-rate multiplier of the logits.
        multiple: what numbers of open units are multiples of.
        is_read: whether layers are told which of their inputs are closed, which
            matters to quantizers alone.
    """

    regularizer: Any
    logit_scale: float
    multiple: int
    is_read: bool = False
